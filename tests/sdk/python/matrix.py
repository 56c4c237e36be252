"""What the tests of the matrix have in common: its cells, and the upstream that speaks every protocol."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode

from gateway import SUITE

MATRIX = json.loads((SUITE / "matrix.json").read_text())
PROMISED = 0.25  # seconds until an abandoned upstream call has ended

SAYS, TOKENS, WEATHER, IMAGE = (MATRIX[name] for name in ("says", "tokens", "weather", "image"))


class Upstream:
    """`tests/sdk/upstream`, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, SUITE / "upstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the upstream does not start"

    def seen(self, model: str, until: str | None = None) -> dict:
        """The requests that named the model, and how many of their callers left; waits for the first of either."""
        query = {"model": model} | ({"until": until} if until else {})
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=15)
        try:
            connection.request("GET", f"/_seen?{urlencode(query)}")
            return json.load(connection.getresponse())
        finally:
            connection.close()

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(5)


@dataclass(frozen=True)
class Cell:
    """One scenario of one kind of provider, through one client."""

    client: str
    kind: str
    scenario: str
    upstream: Upstream
    direct: bool  # the client speaks to the upstream itself

    @property
    def scripted(self) -> bool:
        return self.kind != "simulated"

    @property
    def missing(self) -> str | None:
        """The member that has no counterpart at this kind of provider, as this client calls it."""
        if self.direct:
            return None
        return MATRIX["no_counterpart"].get(self.kind, {}).get(self.scenario, {}).get(self.client)

    def model(self, scene: str, refusing: bool = False) -> str:
        """The model of that scene as callers name it. A refusing provider is not needed for anything else."""
        if not self.scripted:
            return f"simulated/{MATRIX['simulated'].get(scene, 'friendly')}"
        provider = "" if self.direct else f"{self.kind}-refusing/" if refusing else f"{self.kind}/"
        return provider + self.upstream_model(scene)

    def elsewhere(self, scene: str) -> str:
        """The model of that scene at another provider, whose thoughts are sealed."""
        return f"{'gemini' if self.kind == 'anthropic' else 'anthropic'}/{self.upstream_model(scene)}"

    def upstream_model(self, scene: str) -> str:
        return f"{scene}.python-{self.client}-{self.kind}-{self.scenario}"

    @contextmanager
    def shown(self, refused: type[Exception]) -> Iterator[Callable[[str], str]]:
        """Keeps the cell's result once the block has passed; a member without counterpart has to be refused."""
        result = "pass"
        try:
            yield self.model
            assert not self.missing, f"`{self.missing}` should have been refused"
        except refused as error:
            if not self.missing:
                raise
            assert_named(error, self.missing)
            result = f"no counterpart: {self.missing}"
        if not self.direct:
            self._keep(result)

    def says(self, what: str) -> "str | Something":
        """What the scene says; the simulated provider says something."""
        return SAYS.get(what, what) if self.scripted else Something()

    def calls(self, *cities: str) -> "list[dict] | SomeCalls":
        """The arguments of the scene's calls."""
        return [SAYS["calls"][city] for city in cities] if self.scripted else SomeCalls()

    def named(self, user: str) -> dict:
        """The end user, where the provider's API has a place for one."""
        return {} if self.kind in MATRIX["know_no_users"] else {"user": user}

    def thinks(self) -> "str | Something":
        """What it thinks aloud."""
        return "" if self.kind in MATRIX["keep_their_thoughts"] else self.says("thought")

    def waits(self, delay: str | None) -> bool:
        """The delay after which to ask again is the provider's, where it says one in a header."""
        return self.kind in MATRIX["say_no_delay"] or (delay is not None and 1 <= int(delay) <= 7)

    def tells(self, *cities: str) -> "list[str] | Anything":
        """The sentences of an answer that tells the results of the calls, in any order."""
        return sorted(f"{city}: 21 degrees in {city}" for city in cities) if self.scripted else Anything()

    def gone_after(self, scene: str, left: float) -> float:
        """Seconds from `left` (monotonic) until the upstream saw its caller go away."""
        assert self.upstream.seen(self.upstream_model(scene), "gone")["gone"], "the call was never abandoned"
        return time.monotonic() - left

    def _keep(self, result: str) -> None:
        line = {"client": self.client, "language": "python", "kind": self.kind, "scenario": self.scenario}
        if path := os.environ.get("PARAPET_MATRIX_OUT"):
            with open(path, "a", encoding="utf-8") as out:
                out.write(json.dumps(line | {"result": result}) + "\n")


class Something:
    """Any text that is not empty."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other.strip())


class Anything:
    def __eq__(self, _: object) -> bool:
        return True


class SomeCalls:
    """The arguments of any valid calls."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and bool(other) and all(map(fits, other))


def fits(arguments: dict) -> bool:
    return isinstance(arguments["city"], str) and arguments["unit"] in ("celsius", "fahrenheit")


def sentences(text: str) -> list[str]:
    return sorted(sentence for sentence in text.split(". ") if sentence)


def kinds(scenario: str) -> list[str]:
    """The kinds of providers that can show the scenario."""
    return [kind for kind in MATRIX["kinds"] if scenario not in MATRIX["not_shown"].get(kind, {})]


def assert_named(error: Exception, member: str) -> None:
    """The refusal is the caller's fault and names the member."""
    assert error.status_code == 400, error
    assert error.body.get("error", error.body)["param"] == member, error
