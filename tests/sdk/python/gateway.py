"""Starts the Parapet binary for a test session and ends it the polite way."""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

SUITE = Path(__file__).parent.parent
START = 20.0  # seconds until it must listen: a debug build on a busy machine
STOP = 10.0  # seconds from SIGTERM to exit


def _key(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(20)}"


@dataclass(frozen=True)
class Keys:
    """The secrets of one session; none may ever come back in an answer."""

    caller: str = field(default_factory=lambda: _key("caller"))
    neighbour: str = field(default_factory=lambda: _key("neighbour"))
    providers: tuple[str, str] = field(default_factory=lambda: (_key("sk-first"), _key("sk-second")))


@dataclass(frozen=True)
class Gateway:
    """Where the SDK is pointed at: Parapet, or the upstream itself."""

    address: str  # host:port
    keys: Keys
    direct: bool = False

    @property
    def base_url(self) -> str:
        return f"http://{self.address}/v1"

    def model(self, provider: str, name: str) -> str:
        """An upstream model as callers of this gateway name it."""
        return name if self.direct else f"{provider}/{name}"


@contextmanager
def running(config: str, upstream: str, folder: Path) -> Iterator[Gateway]:
    """Serves a config of the suite with its data in `folder` until the block ends."""
    binary = os.environ.get("PARAPET_BIN")
    if not binary or not os.access(binary, os.X_OK):
        pytest.exit("PARAPET_BIN must name the parapet binary", returncode=2)
    keys = Keys()
    ports, log = folder / "ports.json", folder / "parapet.log"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PARAPET_DATA_DIR": str(folder / "data"),
        "PARAPET_SDK_UPSTREAM": upstream,
        "PARAPET_SDK_KEY": keys.caller,
        "PARAPET_SDK_NEIGHBOUR_KEY": keys.neighbour,
        "PARAPET_SDK_PROVIDER_KEY_1": keys.providers[0],
        "PARAPET_SDK_PROVIDER_KEY_2": keys.providers[1],
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "-c", SUITE / config, "serve", "--ports-file", ports],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Gateway(_address(process, ports, log), keys)
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP)
        assert code == 0, f"parapet ended with {code} on SIGTERM\n{_tail(log)}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    written = log.read_text(errors="replace")
    for secret in (keys.caller, keys.neighbour, *keys.providers):
        assert secret not in written, "a key reached the log"


def _address(process: subprocess.Popen, ports: Path, log: Path) -> str:
    deadline = time.monotonic() + START
    while not ports.exists():
        if process.poll() is not None:
            _stop(f"parapet ended with {process.returncode} at start", log)
        if time.monotonic() > deadline:
            _stop(f"parapet does not listen after {START} s", log)
        time.sleep(0.01)
    return json.loads(ports.read_text())["public"]


def _stop(why: str, log: Path) -> NoReturn:
    """Ends the session: without a gateway every test would say the same."""
    pytest.exit(f"{why}\n{_tail(log)}", returncode=2)


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
