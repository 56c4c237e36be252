"""One server for the session."""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START = 20.0  # seconds until it must listen
STOP = 10.0  # seconds from SIGTERM to exit


@dataclass(frozen=True)
class Server:
    url: str
    key: str


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("parapet")
    key = f"caller-{secrets.token_hex(20)}"
    ports, log = folder / "ports.json", folder / "parapet.log"
    config = Path(__file__).parent / "parapet.yaml"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PARAPET_DATA_DIR": str(folder / "data"),
        "PARAPET_SCHEMA_KEY": key,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [os.environ["PARAPET_BIN"], "-c", config, "serve", "--ports-file", ports],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START
        while not ports.exists():
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "parapet does not listen"
            time.sleep(0.01)
        yield Server(f"http://{json.loads(ports.read_text())['public']}", key)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP) == 0, log.read_text(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    written = log.read_text(errors="replace")
    assert key not in written, "a key reached the log"
    assert "panicked" not in written, written
