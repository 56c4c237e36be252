"""Sums up test suites: tally.py (NAME EXIT_CODE REPORT)...

A report is a JUnit file, the output of `cargo test`, or `-` for a step that has none. A suite that
failed without a failed test, by not building or not starting, counts as one failure.
"""

import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path


def main(arguments: list[str]) -> int:
    total: Counter[str] = Counter()
    for name, code, report in zip(*[iter(arguments)] * 3, strict=True):
        counts = count(Path(report)) if Path(report).exists() else Counter()
        if int(code) and not counts["failed"]:
            counts["failed"] = 1
        print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
        total += counts
    print(f"{total['passed']} passed, {total['failed']} failed")
    return 1 if total["failed"] else 0


def count(report: Path) -> Counter[str]:
    if report.suffix == ".xml":
        return Counter(outcome(case) for case in xml.parse(report).iter("testcase"))
    results = re.findall(r"^test result: .* (\d+) passed; (\d+) failed", report.read_text(), re.MULTILINE)
    return Counter(
        passed=sum(int(passed) for passed, _ in results), failed=sum(int(failed) for _, failed in results)
    )


def outcome(case: xml.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
