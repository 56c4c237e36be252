"""A scripted OpenAI-compatible upstream, raw enough to misbehave.

Each test scripts its own model name, so one server serves all tests and a call that nobody scripted
is found. A step plays one exchange on the open socket; it sees the bytes received and when the
caller went away.
"""

import json
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREATED = 1_700_000_000
PATIENCE = 5.0  # seconds any wait of this module may take


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class Script:
    """What happens to the calls for one model name, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: list[Received] = []
        self.arrived = threading.Event()
        self.gone = threading.Event()
        self.gone_at: float | None = None
        self._steps: deque[Step] = deque()
        self._always: Step | None = None
        self._unexpected = 0

    def then(self, *steps: "Step") -> "Script":
        """Plays each step once."""
        self._steps.extend(steps)
        return self

    def always(self, step: "Step") -> "Script":
        """Plays the step for any number of calls: a retry is the caller's choice."""
        self._always = step
        return self

    @property
    def only(self) -> Received:
        """The request, when exactly one was expected."""
        assert len(self.received) == 1, f"{len(self.received)} calls for {self.name}"
        return self.received[0]

    def gone_after(self, start: float) -> float:
        """Seconds from `start` (monotonic) until the caller was seen to go away."""
        assert self.gone.wait(PATIENCE), "the upstream call was never abandoned"
        assert self.gone_at is not None
        return self.gone_at - start

    def finish(self) -> None:
        assert not self._steps, f"{len(self._steps)} scripted steps of {self.name} were not asked for"
        assert not self._unexpected, f"{self._unexpected} calls too many for {self.name}"

    def _take(self, received: Received) -> "Step":
        self.received.append(received)
        self.arrived.set()
        if self._steps:
            return self._steps.popleft()
        if self._always:
            return self._always
        self._unexpected += 1
        return answer({"error": {"message": "unexpected call"}}, status=500)


class Exchange(BaseHTTPRequestHandler):
    """One connection of the caller; hands each request to its script."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.request_json = json.loads(body)
        received = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.script = self.server.upstream.script(self.request_json.get("model"))
        try:
            self.script._take(received)(self)
        except ConnectionError:
            self.caller_went_away()

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Writes one HTTP chunk; an empty one ends the body."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        """Drops the connection so that the caller sees the body cut."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def wait_until_gone(self) -> None:
        """Blocks until the caller closes its side."""
        readable, _, _ = select.select([self.connection], [], [], PATIENCE)
        if readable:
            self.caller_went_away()
        self.close_connection = True

    def caller_went_away(self) -> None:
        self.close_connection = True
        self.script.gone_at = time.monotonic()
        self.script.gone.set()

    def log_message(self, *_: object) -> None:
        """Says nothing: the test speaks."""


Step = Callable[[Exchange], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    upstream: "Upstream"

    def handle_error(self, request, client_address) -> None:
        """A caller who went away is what many tests want; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Upstream:
    """The server, on a free port, with its scripts by model name."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        self._server = Server(("127.0.0.1", 0), Exchange)
        self._server.upstream = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def script(self, name: str) -> Script:
        """The script of a model name; one nobody wrote refuses the call and fails its `finish`."""
        return self._scripts.setdefault(name, Script(name))

    def renew(self, name: str) -> Script:
        self._scripts[name] = Script(name)
        return self._scripts[name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# Steps.


def answer(body: dict | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Step:
    """A whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def play(exchange: Exchange) -> None:
        own = {"content-type": "application/json", "content-length": str(len(data))}
        exchange.head(status, own | (headers or {}))
        exchange.wfile.write(data)

    return play


def stream(*chunks: dict | bytes, usage: dict | None = None, end: str = "done", slices: int = 0) -> Step:
    """An event stream.

    `usage` is sent as OpenAI does: in a last chunk, and only to a caller who asked for it. `end` is
    `done` (whole), `eof` (ends well, but without `[DONE]`), `cut` (the body breaks off) or `hold`
    (says no more until the caller goes away). With `slices`, every write is that many bytes long.
    """

    def play(exchange: Exchange) -> None:
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for chunk in chunks:
            write(exchange, event(chunk))
        if end == "done":
            wants_usage = (exchange.request_json.get("stream_options") or {}).get("include_usage")
            if usage and wants_usage:
                write(exchange, event({**delta({}), "choices": [], "usage": usage}))
            write(exchange, event(b"[DONE]"))
            exchange.chunk(b"")
        elif end == "eof":
            exchange.chunk(b"")
        elif end == "cut":
            exchange.reset()
        elif end == "hold":
            exchange.wait_until_gone()

    def write(exchange: Exchange, data: bytes) -> None:
        width = slices or len(data)
        for start in range(0, len(data), width):
            exchange.chunk(data[start : start + width])

    return play


def silence() -> Step:
    """Never answers."""
    return lambda exchange: exchange.wait_until_gone()


def hang_up() -> Step:
    """Closes the connection instead of answering."""
    return lambda exchange: exchange.reset()


# The shapes of OpenAI's chat API.


def completion(content: str | None = "Hello.", message: dict | None = None, **members: object) -> dict:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": CREATED,
        "model": "gpt-scripted-2026",
        "choices": [choice(0, {"role": "assistant", "content": content, "refusal": None} | (message or {}))],
        "usage": tokens(9, 3),
    } | members


def choice(index: int, message: dict, finish_reason: str = "stop", logprobs: dict | None = None) -> dict:
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish_reason}


def delta(change: dict, finish_reason: str | None = None, index: int = 0, **members: object) -> dict:
    """One chunk of a stream."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "gpt-scripted-2026",
        "choices": [{"index": index, "delta": change, "logprobs": None, "finish_reason": finish_reason}],
    } | members


def words(*parts: str) -> list[dict]:
    """The chunks of a plain text answer."""
    return [*said(*parts), delta({}, "stop")]


def said(*parts: str) -> list[dict]:
    """The same, without its end."""
    return [delta({"role": "assistant", "content": ""}), *(delta({"content": part}) for part in parts)]


def tokens(prompt: int, completion: int) -> dict:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def failure(message: str, type: str = "server_error", param: str | None = None, code: str | None = None) -> dict:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def event(payload: dict | bytes) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return b"data: " + data + b"\n\n"
