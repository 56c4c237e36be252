"""Plain HTTP for what the SDK has no method for, with the bytes left alone."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import Gateway


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False  # the body broke off before its end

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class Plain:
    def __init__(self, gateway: Gateway, key: str | None) -> None:
        self._gateway = gateway
        self._key = key

    def __call__(self, method: str, path: str, body: dict | bytes | None = None, **headers: str) -> Reply:
        """One request on its own connection; a dict is sent as JSON, `_` in header names is `-`."""
        connection = http.client.HTTPConnection(self._gateway.address, timeout=10)
        own = {"authorization": f"Bearer {self._key}"} if self._key else {}
        if body is not None:
            own["content-type"] = "application/json"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            connection.request(method, path, data, own | {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            received = {k.lower(): v for k, v in response.getheaders()}
            try:
                return Reply(response.status, received, response.read())
            except http.client.IncompleteRead as broken:
                return Reply(response.status, received, broken.partial, cut=True)
        finally:
            connection.close()


def events(body: bytes) -> Iterator[tuple[str, dict]]:
    """Name and data of each event of a stream that was read to its end."""
    for block in body.decode().split("\n\n"):
        lines = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        fields = {name: value for name, value in lines}
        if "data" in fields:
            yield fields.get("event", "message"), json.loads(fields["data"])
