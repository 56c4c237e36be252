"""What is said in the scenes of the matrix, in no protocol's words.

A protocol reads a request into `Asked`, `play` says what happens, and the protocol puts that into its
own shapes. The scene is the part of the model's name before the first dot; what follows is the test's
own, so that tests do not see each other's requests.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from check import Refused

GREETING = ("Grüße ", "aus ", "Zürich 🌍")
TICKET = {"title": "Printer on fire", "priority": "high", "tags": ["printer", "étage 3"], "minutes": 5}
WEATHER = "get_weather"
CITIES = ("Zürich", "Paris")
THOUGHT = ("The user wants ", "the weather ", "in Zürich.")
HIDDEN = "EtgBCkYICBgCKkBvcGFxdWU="  # a thought that only the provider can read
RESULT_THOUGHT = ("That is warm.",)
COUNTED = 42
# Tokens of every answer, in buckets that do not overlap; protocols that do not know one of them leave it out.
INPUT, CACHED, WRITTEN, OUTPUT = 11, 64, 32, 9
REASONING = 5  # where there is some
FAILURE = "scripted failure in the middle of an answer"
LIMITED_FOR = 7  # seconds that a rate-limited caller is to wait


@dataclass(frozen=True)
class Result:
    """What a tool gave back for a call that was made in this conversation."""

    name: str
    arguments: dict
    text: str


@dataclass
class Asked:
    """A request that has passed its protocol's checks."""

    model: str
    stream: bool
    parameters: dict = field(default_factory=dict)  # by the names of `parameters()` below
    system: str = ""
    texts: list[str] = field(default_factory=list)  # of the user
    images: list[str] = field(default_factory=list)  # what `picture` says of them, or their address
    tools: list[str] = field(default_factory=list)
    forced: str | None = None  # `any`, or the name of the tool that must be called
    parallel: bool = True
    results: list[Result] = field(default_factory=list)  # since the user last said something
    sealed: bool | None = None  # the thought of the calling turn came back as it was; None: it has no seal
    json: dict | bool = False  # the schema of the answer, or just any JSON
    thinks: bool = False
    wants_usage: bool = True

    @property
    def scene(self) -> str:
        return self.model.partition(".")[0]


# What a model says.


@dataclass(frozen=True)
class Text:
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Thought:
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class HiddenThought:
    data: str


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict
    index: int

    def id(self, prefix: str) -> str:
        """Another one in every conversation would be true; the same one is easier to look for."""
        return f"{prefix}{self.index}{hashlib.sha256(self.name.encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class Said:
    parts: tuple[Text | Thought | HiddenThought | Call, ...]
    finish: str = "stop"  # stop, calls, length, refusal
    ending: str = "whole"  # of a stream: whole; held until the caller goes away; cut; failed

    @property
    def held(self) -> bool:
        return self.ending == "held"

    @property
    def calls(self) -> list[Call]:
        return [part for part in self.parts if isinstance(part, Call)]

    @property
    def text(self) -> str:
        return "".join(piece for part in self.parts if isinstance(part, Text) for piece in part.pieces)

    @property
    def reasoning(self) -> int:
        return REASONING if self.thought else 0

    @property
    def thought(self) -> str:
        return "".join(piece for part in self.parts if isinstance(part, Thought) for piece in part.pieces)


def play(asked: Asked) -> Said:
    """What the model of that name says."""
    if asked.scene.startswith("m-error-"):
        raise Refused(f"scripted failure of {asked.scene}", status=int(asked.scene.removeprefix("m-error-")))
    scene = SCENES.get(asked.scene)
    if scene is None:
        raise Refused(f"the model `{asked.model}` does not exist", status=404)
    return scene(asked)


def text(asked: Asked) -> Said:
    require(asked.texts, "a text of the user")
    return Said((Text(GREETING),))


def tool(asked: Asked) -> Said:
    return calling(asked, CITIES[:1])


def tools(asked: Asked) -> Said:
    require(asked.parallel, "several calls at once to be welcome")
    return calling(asked, CITIES)


def forced(asked: Asked) -> Said:
    require(asked.forced in ("any", WEATHER), "a call to be required")
    return Said((called(0),), finish="calls")


def serial(asked: Asked) -> Said:
    require(not asked.parallel, "one call at a time to be asked for")
    return calling(asked, CITIES[:1])


def image(asked: Asked) -> Said:
    require(asked.images, "an image")
    return Said((Text(("I see ", ", ".join(asked.images), ".")),))


def as_json(asked: Asked) -> Said:
    require(asked.json, "JSON to be asked for")
    if isinstance(asked.json, dict):
        wanted = set(asked.json.get("properties", ()))
        require(wanted == set(TICKET), f"the schema of a ticket, not of {sorted(wanted)}")
    written = json.dumps(TICKET, ensure_ascii=False)
    return Said((Text((written[:7], written[7:30], written[30:])),))


def reason(asked: Asked) -> Said:
    require(asked.thinks, "reasoning to be asked for")
    if not asked.results:
        parts = (Thought(THOUGHT), HiddenThought(HIDDEN), called(0))
        return Said(parts, finish="calls")
    require(asked.sealed is not False, "the thought of the call, as it was")
    return Said((Thought(RESULT_THOUGHT), Text(tuple(report(asked)))))


def parameters(asked: Asked) -> Said:
    """Says in JSON what was asked for: `max_tokens`, `temperature`, `top_p`, `stop`, `user`, `system`, `texts`."""
    asks = asked.parameters | {"system": asked.system, "texts": asked.texts}
    return Said((Text((json.dumps(asks, ensure_ascii=False, sort_keys=True),)),))


def length(_: Asked) -> Said:
    return Said((Text(("This goes on ", "and on")),), finish="length")


def refusal(_: Asked) -> Said:
    return Said((Text(("I would ",)),), finish="refusal")


def slow(_: Asked) -> Said:
    return Said((Text(GREETING[:1]),), ending="held")


def cut(_: Asked) -> Said:
    """The body ends well, but the answer in it does not."""
    return Said((Text(GREETING[:1]),), ending="cut")


def failed(_: Asked) -> Said:
    return Said((Text(GREETING[:1]),), ending="failed")


SCENES = {
    "m-text": text,
    "m-tool": tool,
    "m-tools": tools,
    "m-forced": forced,
    "m-serial": serial,
    "m-image": image,
    "m-json": as_json,
    "m-reason": reason,
    "m-parameters": parameters,
    "m-length": length,
    "m-refusal": refusal,
    "m-slow": slow,
    "m-cut": cut,
    "m-failed": failed,
}


def calling(asked: Asked, cities: tuple[str, ...]) -> Said:
    """The calls for the cities; with their results, a text that tells them."""
    require(WEATHER in asked.tools, f"a tool `{WEATHER}`")
    if asked.results:
        told = [result.arguments.get("city") for result in asked.results]
        require(sorted(told) == sorted(cities), f"results for {cities}, not for {told}")
        return Said((Text(tuple(report(asked))),))
    return Said((Text(("Let me ", "look.")), *map(called, range(len(cities)))), finish="calls")


def called(index: int) -> Call:
    return Call(WEATHER, {"city": CITIES[index], "unit": "celsius"}, index)


def report(asked: Asked) -> Iterator[str]:
    for result in asked.results:
        yield f"{result.arguments['city']}: {result.text}. "


def require(condition: object, what: str) -> None:
    if not condition:
        raise Refused(f"this scene needs {what}")


def picture(media_type: str, data: bytes) -> str:
    """What is said of an image that came with the request."""
    return f"{media_type} {hashlib.sha256(data).hexdigest()[:12]}"


def seal(thought: str) -> str:
    """The signature of a thought: whoever changes a letter of it is found out."""
    return hashlib.sha256(b"seal of " + thought.encode()).hexdigest()


def embedding(text: str, index: int) -> list[float]:
    """A vector that 32-bit floats hold exactly."""
    return [len(text) * 0.25, index + 0.5, -1.0]


def merged(messages: list[tuple[str, list]]) -> list[tuple[str, list]]:
    """Neighbours of one role as one message."""
    runs = groupby(messages, key=itemgetter(0))
    return [(role, [part for _, parts in run for part in parts]) for role, run in runs]
