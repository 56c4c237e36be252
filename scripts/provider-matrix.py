"""Writes the tables of docs/providers.md: provider-matrix.py [--check] RESULTS

RESULTS is what the SDK suites for Python and for Node wrote to `PARAPET_MATRIX_OUT` in one run of each:
a line of JSON per cell that passed. A cell that one of them is missing is an error, and nothing is
written. With `--check` nothing is ever written; a document that differs is the error.
"""

import difflib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/providers.md"
SUITE = ROOT / "tests/sdk"
MARKED = re.compile(r"(?<=<!-- matrix -->\n)(.*?)(?=<!-- /matrix -->)", re.DOTALL)

LANGUAGES = ("python", "node")
CLIENTS = {
    "openai": ("OpenAI's dialect", "openai", "openai"),
    "anthropic": ("Anthropic's dialect", "anthropic", "@anthropic-ai/sdk"),
}
ONLY = {"seed": "openai", "json_object": "openai", "embeddings": "openai", "count_tokens": "anthropic"}


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    [results] = [argument for argument in arguments if argument != "--check"]
    matrix = json.loads((SUITE / "matrix.json").read_text())
    cells, faults = read(Path(results), matrix)
    if faults:
        print("\n".join(faults))
        return 1
    written = DOCUMENT.read_text()
    tables = "\n".join(table(client, matrix, cells) for client in CLIENTS)
    document = MARKED.sub(lambda _: tables, written)
    if check and document != written:
        diff = difflib.unified_diff(
            written.splitlines(), document.splitlines(), "docs/providers.md", "this run", "", "", 0, ""
        )
        print("\n".join(diff), f"write it with: scripts/provider-matrix.py {results}", sep="\n")
        return 1
    if not check:
        DOCUMENT.write_text(document)
    print(f"{len(cells)} cells of the matrix, the same in every language")
    return 0


def read(results: Path, matrix: dict) -> tuple[dict, list[str]]:
    """The result of each client, kind and scenario, and what is wrong with them."""
    told: dict[tuple, dict[str, str]] = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        cell = json.loads(line)
        told.setdefault((cell["client"], cell["kind"], cell["scenario"]), {})[cell["language"]] = cell["result"]
    faults = []
    for cell in expected(matrix):
        given = told.get(cell, {})
        missing = [language for language in LANGUAGES if language not in given]
        if missing:
            faults.append(f"{' / '.join(cell)}: not shown by {' and '.join(missing)}")
        elif len(set(given.values())) > 1:
            faults.append(f"{' / '.join(cell)}: {given}")
    return {cell: next(iter(results.values())) for cell, results in told.items()}, faults


def expected(matrix: dict) -> list[tuple[str, str, str]]:
    return [
        (client, kind, scenario)
        for client in CLIENTS
        for scenario in scenarios(client, matrix)
        for kind in matrix["kinds"]
        if scenario not in matrix["not_shown"].get(kind, {})
    ]


def scenarios(client: str, matrix: dict) -> dict[str, str]:
    return {name: title for name, title in matrix["scenarios"].items() if ONLY.get(name, client) == client}


def table(client: str, matrix: dict, cells: dict) -> str:
    title, python, node = CLIENTS[client]
    notes: dict[str, int] = {}
    rows = []
    for scenario, name in scenarios(client, matrix).items():
        marks = [mark(client, kind, scenario, matrix, cells, notes) for kind in matrix["kinds"]]
        rows.append(f"| {name} | {' | '.join(marks)} |")
    head = ["", *matrix["kinds"].values()]
    lines = [
        f"### {title}",
        "",
        f"With `{python}` {python_version(python)} for Python and `{node}` {node_version(node)} for Node.",
        "",
        f"| {' | '.join(head)} |",
        f"|---|{':---:|' * len(matrix['kinds'])}",
        *rows,
        "",
        *(f"{number}. {note}" for note, number in notes.items()),
        "",
    ]
    return "\n".join(lines)


def mark(client: str, kind: str, scenario: str, matrix: dict, cells: dict, notes: dict[str, int]) -> str:
    """A tick, or else the number of the note that says why."""
    name = matrix["kinds"][kind]
    result = cells.get((client, kind, scenario))
    if result == "pass":
        return "✓"
    if result is None:
        sign, note = "–", f"Not shown: {name} {matrix['not_shown'][kind][scenario]}."
    else:
        member = result.removeprefix("no counterpart: ")
        sign, note = "no", f"{name} {matrix['no_counterpart'][kind][scenario]['note']}: 400, naming `{member}`."
    return f"{sign} <sup>{notes.setdefault(note, len(notes) + 1)}</sup>"


def python_version(package: str) -> str:
    return pinned(rf"^{package}==(\S+)$", SUITE / "python/requirements.txt")


def node_version(package: str) -> str:
    return pinned(rf'"{package}": "([^"]+)"', SUITE / "node/package.json")


def pinned(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    assert found, f"no {pattern} in {file}"
    return found[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
