"""What goes between the server and a protocol."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol as Interface

from check import Refused
from scenario import LIMITED_FOR


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # behind the protocol's prefix
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> dict:
        media = self.headers.get("content-type", "").partition(";")[0]
        if media != "application/json":
            raise Refused(f"the content type is `{media}`", status=415)
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused("the body is not JSON") from None


@dataclass(frozen=True)
class Whole:
    """An answer in one piece."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer in pieces; a held one stays without its end until the caller goes away."""

    content_type: str
    pieces: Iterable[bytes]
    held: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Silence:
    """No answer, until the caller goes away."""


Answer = Whole | Stream | Silence


class Protocol(Interface):
    def answer(self, request: Request) -> Answer:
        """May raise `Refused`."""

    def refusal(self, refused: Refused) -> Whole:
        """A failure in the protocol's own shape."""


def event(payload: object, name: str | None = None, end: str = "\n") -> bytes:
    """A server-sent event."""
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    head = f"event: {name}{end}" if name else ""
    return f"{head}data: {data}{end}{end}".encode()


def delay(refused: Refused) -> dict[str, str]:
    """The header that goes with a failure."""
    return {"retry-after": str(LIMITED_FOR)} if refused.status == 429 else {}
