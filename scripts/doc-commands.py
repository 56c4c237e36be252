"""Runs the commands of the documentation: doc-commands.py [--junit FILE] [PAGE...]

A code block runs when a comment right above it says so; everything else is only read by people.

    <!-- file: NAME -->       the block is written to NAME
    <!-- test -->             the block runs (sh, python or js) and must succeed
    <!-- test: exit 2 -->     it must end with this exit code
    <!-- test: says TEXT -->  its output must contain the text; combined as `exit 2; says TEXT`
    <!-- test: serve -->      the block starts the server, which runs until the next one or the page's end

Each page runs from its top in a folder of its own, with `parapet` being $PARAPET_BIN and ports chosen by the
system: 8080, 9090 and 9091 are replaced wherever they are written. What a block exports stays. `make run` serves
without building, `pidof parapet` is the page's own server, and curl fails on error answers. A server that does
not end with 0 fails too.
"""

import argparse
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/tutorials/*.md", "docs/how-to/*.md", "docs/explanation/*.md"]
BLOCK = re.compile(r"^<!-- (file|test)(?:: (.*?))? -->\n+```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 20
LISTENERS = {8080: "PARAPET__SERVER__LISTEN", 9090: "PARAPET__SERVER__METRICS__LISTEN", 9091: "PARAPET__SERVER__ADMIN__LISTEN"}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--junit", type=Path)
    parser.add_argument("pages", nargs="*", type=Path)
    arguments = parser.parse_args()
    pages = arguments.pages or sorted(page for pattern in PAGES for page in ROOT.glob(pattern))
    suite = xml.Element("testsuite", name="documentation commands")
    failed = 0
    for page in pages:
        for name, fault in run(page.resolve()):
            case = xml.SubElement(suite, "testcase", name=name)
            if fault:
                xml.SubElement(case, "failure").text = fault
                failed += 1
            print(f"{'FAILED' if fault else 'ok'} {name}" + (f"\n{fault}" if fault else ""), flush=True)
    if arguments.junit:
        xml.ElementTree(suite).write(arguments.junit)
    return 1 if failed else 0


@dataclass
class Block:
    kind: str
    options: str
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(m[1], m[2] or "", m[3], m[4], text.count("\n", 0, m.start(4)) + 1) for m in BLOCK.finditer(text)]


def run(page: Path):
    """Yields (name, fault or None) for each block of a page that runs; stops at the first fault."""
    found = blocks(page)
    if not any(block.kind == "test" for block in found):
        return
    with tempfile.TemporaryDirectory(prefix="parapet-doc.") as folder, Place(Path(folder), found) as place:
        for block in found:
            name = f"{page.relative_to(ROOT)}:{block.line}"
            try:
                place.take(block)
            except (Fault, subprocess.TimeoutExpired) as fault:
                yield name, f"{fault}\n{place.log()}"
                return
            if block.kind == "test":
                yield name, None
        try:
            place.stop()
        except (Fault, subprocess.TimeoutExpired) as fault:
            yield f"{page.relative_to(ROOT)}: the server's end", f"{fault}\n{place.log()}"


class Fault(Exception):
    pass


@dataclass
class Place:
    """Where a page runs: its folder, its ports, its server."""

    folder: Path
    found: list[Block]
    server: subprocess.Popen | None = None
    env: dict[str, str] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)

    def __enter__(self):
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        home = self.folder / ".home"
        home.mkdir()
        (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nmax-time = 20\n")
        binary = shlex.quote(str(Path(os.environ["PARAPET_BIN"]).resolve()))
        for name, script in {
            "parapet": f'exec {binary} "$@"',
            "make": '[ "$1" = run ] && exec parapet serve',
            "pidof": f'[ "$1" = parapet ] && exec cat {shlex.quote(str(home / "pid"))}',
        }.items():
            path = home / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        self.env = {**kept, "HOME": str(home), "CURL_HOME": str(home), "PATH": f"{home}:{kept['PATH']}"}
        files = "".join(block.text for block in self.found if block.kind == "file")
        for written, variable in LISTENERS.items():
            # A config that names the port is the one to be tried.
            if f":{written}" not in files:
                self.env[variable] = f"127.0.0.1:{self.ports[written]}"
        return self

    def __exit__(self, *_):
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()

    def take(self, block: Block):
        text = block.text.replace("target/quick/parapet", "parapet")
        for written, port in self.ports.items():
            text = text.replace(f":{written}", f":{port}")
        if block.kind == "file":
            (self.folder / block.options).write_text(text)
        elif block.options == "serve":
            self.stop()
            self.serve(text)
        else:
            self.run(block, text)

    def run(self, block: Block, text: str):
        options = dict(option.split(" ", 1) for option in block.options.split("; ") if option)
        reloads = self.reloads()
        ended = subprocess.run(
            self.command(block.language, text),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        wanted = int(options.get("exit", 0))
        if ended.returncode != wanted:
            raise Fault(f"exit code {ended.returncode} instead of {wanted}\n{ended.stdout}")
        if "says" in options and options["says"] not in ended.stdout:
            raise Fault(f"does not say `{options['says']}`\n{ended.stdout}")
        if "-HUP" in text:
            wait_for("the reload", lambda: self.reloads() > reloads)

    def command(self, language: str, text: str) -> list[str]:
        if language == "sh":
            kept = shlex.quote(str(self.folder / ".home/exports"))
            keep = f"[ ! -e {kept} ] || . {kept}; trap 'export -p >{kept}' EXIT"
            return ["bash", "-euo", "pipefail", "-c", f"{keep}\n{text}"]
        if language == "python":
            return [sys.executable, "-c", text]
        if language == "js":
            modules = self.folder / "node_modules"
            if not modules.exists():
                modules.symlink_to(ROOT / "tests/sdk/node/node_modules")
            script = self.folder / "block.mjs"
            script.write_text(text)
            return [str(ROOT / ".venv/bin/node"), str(script)]
        raise Fault(f"nobody knows how to run `{language}`")

    def serve(self, text: str):
        *before, last = text.strip().splitlines()
        with (self.folder / ".home/log").open("wb") as log:
            self.server = subprocess.Popen(
                self.command("sh", "\n".join([*before, f"exec env {last}"])),
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        (self.folder / ".home/pid").write_text(f"{self.server.pid}\n")
        wait_for("the server", self.is_ready)

    def is_ready(self) -> bool:
        if self.server.poll() is not None:
            raise Fault(f"the server ended with {self.server.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", self.ports[9090]), timeout=1) as connection:
                connection.sendall(b"GET /ready HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def stop(self):
        if not self.server:
            return
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        code = self.server.wait(timeout=PATIENCE)
        self.server = None
        if code:
            raise Fault(f"the server ended with {code}")

    def reloads(self) -> int:
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return sum("reloaded" in line.get("message", "") for line in lines)

    def log(self) -> str:
        path = self.folder / ".home/log"
        return path.read_text(errors="replace") if path.exists() else ""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_for(what: str, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise Fault(f"{what} did not come within {PATIENCE} s")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
