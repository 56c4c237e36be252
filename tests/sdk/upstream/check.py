"""What a protocol insists on. A request that is not what its documentation says is refused, so that a
wrong translation fails the test that made it."""

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable


class Refused(Exception):
    """The request is not answered; `param` is the path of the member at fault."""

    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param


def insist(condition: object, message: str, where: str | None = None) -> None:
    if not condition:
        raise Refused(f"{where}: {message}" if where else message, param=where)


def members(value: object, where: str, required: str = "", optional: str = "", null: bool = False) -> dict:
    """The object without its null members, all of whose names are known. Null stands for absent if `null`."""
    insist(isinstance(value, dict), "not an object", where)
    assert isinstance(value, dict)
    if null:
        value = {name: member for name, member in value.items() if member is not None}
    needed, known = required.split(), {*required.split(), *optional.split()}
    for name in value:
        insist(name in known, f"unknown member `{name}`", where)
        insist(value[name] is not None, f"`{name}` is null", where)
    for name in needed:
        insist(name in value, f"`{name}` is missing", where)
    return value


def text(value: object, where: str, empty: bool = False) -> str:
    insist(isinstance(value, str) and (value or empty), "not a text, or an empty one", where)
    assert isinstance(value, str)
    return value


def texts(value: object, where: str) -> list[str]:
    return [text(item, where) for item in items(value, where)]


def items(value: object, where: str, empty: bool = False) -> list:
    insist(isinstance(value, list) and (value or empty), "not a list, or an empty one", where)
    assert isinstance(value, list)
    return value


def flag(value: object, where: str) -> bool:
    insist(isinstance(value, bool), "neither true nor false", where)
    return bool(value)


def number(value: object, where: str, least: float, most: float = float("inf")) -> float:
    insist(isinstance(value, int | float) and not isinstance(value, bool), "not a number", where)
    assert isinstance(value, int | float)
    insist(least <= value <= most, f"not from {least} to {most}", where)
    return value


def integer(value: object, where: str, least: int = 0) -> int:
    insist(isinstance(value, int) and not isinstance(value, bool), "not an integer", where)
    assert isinstance(value, int)
    insist(value >= least, f"less than {least}", where)
    return value


def word(value: object, where: str, words: str) -> str:
    insist(value in words.split(), f"not one of {words}", where)
    assert isinstance(value, str)
    return value


def name(value: object, where: str, pattern: str = r"[a-zA-Z0-9_-]{1,64}") -> str:
    insist(isinstance(value, str) and re.fullmatch(pattern, value), f"does not match {pattern}", where)
    assert isinstance(value, str)
    return value


def data(value: object, where: str) -> bytes:
    """Base64 with nothing around it."""
    try:
        return base64.b64decode(text(value, where), validate=True)
    except binascii.Error:
        raise Refused(f"{where}: not base64", param=where) from None


def object_text(value: object, where: str) -> dict:
    """The object in a text of JSON."""
    try:
        parsed = json.loads(text(value, where))
    except ValueError:
        parsed = None
    insist(isinstance(parsed, dict), "not the JSON of an object", where)
    return parsed


def address(value: object, where: str) -> str:
    insist(isinstance(value, str) and value.startswith(("https://", "http://")), "not a web address", where)
    assert isinstance(value, str)
    return value


def schema(value: object, where: str) -> dict:
    """A JSON Schema of an object."""
    insist(isinstance(value, dict) and value.get("type") == "object", "not the schema of an object", where)
    assert isinstance(value, dict)
    return value


def closed(value: object, where: str) -> dict:
    """A schema that allows no member that it does not name, as generation by schema needs it."""
    for part in objects(schema(value, where)):
        insist(part.get("additionalProperties") is False, "an object without `additionalProperties: false`", where)
    assert isinstance(value, dict)
    return value


def objects(value: object) -> Iterable[dict]:
    """The schemas of objects in a schema."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for part in value.values():
            yield from objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from objects(part)


def key(presented: str | None, unwanted: Collection[str] = ()) -> None:
    """A key of the session's, in its one place."""
    if not presented or not presented.startswith("sk-"):
        raise Refused("no key, or a wrong one", status=401)
    insist(not unwanted, f"a key also in {unwanted}")
