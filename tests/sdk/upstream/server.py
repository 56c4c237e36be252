"""The server: gives each request to the protocol its path begins with and keeps what it saw.

`GET /_seen?model=NAME` lists the requests that named a model: path, query and body, and how many of
their callers went away. With `&until=arrived` or `&until=gone` the answer waits for the first.
"""

import json
import select
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from check import Refused
from exchange import Answer, Request, Silence, Stream, Whole
from protocols import anthropic, azure, gemini, ollama, openai

PATIENCE = 10.0  # seconds that anything here may take

PROTOCOLS = {
    "openai": openai.OpenAI(),
    "vllm": openai.Vllm(),
    "azure": azure.Azure(),
    "anthropic": anthropic.Anthropic(),
    "gemini": gemini.Gemini(),
    "ollama": ollama.Ollama(),
}


@dataclass
class Seen:
    """What happened to one model's requests."""

    requests: list[dict] = field(default_factory=list)
    gone: int = 0


class Exchange(BaseHTTPRequestHandler):
    """One connection of a caller."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: "Server"

    def do_GET(self) -> None:
        if self.path.startswith("/_seen?"):
            wanted = dict(parse_qsl(urlsplit(self.path).query))
            self.whole(Whole(self.server.seen(wanted["model"], wanted.get("until"))))
        else:
            self.serve(b"")

    def do_POST(self) -> None:
        self.serve(self.rfile.read(int(self.headers.get("content-length", "0"))))

    def serve(self, body: bytes) -> None:
        url = urlsplit(self.path)
        prefix, _, path = url.path.removeprefix("/").partition("/")
        protocol = PROTOCOLS.get(prefix)
        if not protocol:
            return self.whole(Whole({"error": f"nothing is at {url.path}"}, status=404))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, f"/{unquote(path)}", dict(parse_qsl(url.query)), headers, body)
        self.model = self.server.note(request)
        try:
            answer = protocol.answer(request)
        except Refused as refused:
            answer = protocol.refusal(refused)
        try:
            self.play(answer)
        except ConnectionError:
            self.caller_went_away()

    def play(self, answer: Answer) -> None:
        match answer:
            case Whole():
                self.whole(answer)
            case Stream():
                self.stream(answer)
            case Silence():
                self.wait_until_gone()

    def whole(self, answer: Whole) -> None:
        data = json.dumps(answer.body, ensure_ascii=False).encode()
        length = {"content-type": "application/json", "content-length": str(len(data))}
        self.head(answer.status, length | answer.headers)
        self.wfile.write(data)

    def stream(self, answer: Stream) -> None:
        self.head(200, {"content-type": answer.content_type, "transfer-encoding": "chunked"} | answer.headers)
        for piece in answer.pieces:
            self.chunk(piece)
        if answer.held:
            self.wait_until_gone()
        else:
            self.chunk(b"")

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Writes one HTTP chunk; an empty one ends the body."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def wait_until_gone(self) -> None:
        """Blocks until the caller closes its side."""
        readable, _, _ = select.select([self.connection], [], [], PATIENCE)
        if readable:
            self.caller_went_away()
        self.close_connection = True

    def caller_went_away(self) -> None:
        self.close_connection = True
        self.server.gone(self.model)

    def log_message(self, *_: object) -> None:
        """Says nothing: the test speaks."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self._models: dict[str, Seen] = {}
        self._news = threading.Condition()

    def note(self, request: Request) -> str:
        """Keeps a request, under the name of the model that stands in its body or its path."""
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        scene = next((part for part in request.path.replace(":", "/").split("/") if part.startswith("m-")), "")
        model = scene or (body.get("model", "") if isinstance(body, dict) else "")
        with self._news:
            kept = {"path": request.path, "query": request.query, "body": body}
            self._models.setdefault(model, Seen()).requests.append(kept)
            self._news.notify_all()
        return model

    def gone(self, model: str) -> None:
        with self._news:
            self._models[model].gone += 1
            self._news.notify_all()

    def seen(self, model: str, until: str | None) -> dict:
        with self._news:
            seen = self._models.setdefault(model, Seen())
            conditions = {"arrived": lambda: seen.requests, "gone": lambda: seen.gone}
            if until:
                self._news.wait_for(conditions[until], PATIENCE)
            return {"requests": list(seen.requests), "gone": seen.gone}

    def handle_error(self, request, client_address) -> None:
        """A caller who went away is what some tests want; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
