"""Checks that links between the Markdown files of this repository lead somewhere, headings included, and that
the files, functions, types and tests that ARCHITECTURE.md names exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def main() -> int:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    broken = [fault for file in files if (ROOT / file).exists() for fault in faults(ROOT / file)]
    broken += gone(ROOT / "ARCHITECTURE.md")
    print("\n".join(broken) or f"{len(files)} files, every link leads somewhere")
    return 1 if broken else 0


def faults(file: Path):
    for number, line in enumerate(prose(file), start=1):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, heading = target.partition("#")
            found = (file.parent / path).resolve() if path else file
            where = f"{file.relative_to(ROOT)}:{number}"
            if not found.exists():
                yield f"{where}: no {target}"
            elif heading and heading not in headings(found):
                yield f"{where}: no heading #{heading} in {path or file.name}"


def gone(file: Path):
    """Names in the code that a page speaks of and that are not there any more."""
    sources = [path for folder in ("crates", "xtask") for path in (ROOT / folder).rglob("*.rs")]
    words = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    roots = [ROOT, ROOT / "crates/parapet/src", ROOT / "crates", *(ROOT / "crates").iterdir()]
    for number, line in enumerate(prose(file), start=1):
        for name in re.findall(r"`([^`]+)`", line):
            if re.fullmatch(r"\w+(::\w+)+", name):
                there = set(name.split("::")) <= words
            elif re.fullmatch(r"[\w./-]+\.(rs|toml|md|py|yaml)|[\w./-]+/", name):
                there = any(root.joinpath(found).exists() for root in roots for found in (name, f"src/{name}"))
            else:
                continue
            if not there:
                yield f"{file.relative_to(ROOT)}:{number}: no {name}"


def prose(file: Path):
    """The lines, with those of code blocks emptied."""
    code = False
    for line in file.read_text().splitlines():
        fence = line.lstrip().startswith("```")
        code ^= fence
        yield "" if code or fence else line


def headings(file: Path) -> set[str]:
    titles = (line.lstrip("#").strip().lower() for line in prose(file) if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


if __name__ == "__main__":
    sys.exit(main())
