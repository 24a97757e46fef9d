"""See that README.md shows what the demo prints, up to numbers:  examples/demo.sh | check_readme.py"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def shown_lines(readme: str) -> list[str]:
    """The lines of the console block."""
    found = re.search(r"```console\n(.*?)```", readme, re.DOTALL)
    return found[1].splitlines() if found else []


def first_unprinted(shown: list[str], printed: list[str]) -> str | None:
    """The first shown line that the demo did not print after those before it; None if it printed all."""
    rest = iter([_without_numbers(line) for line in printed])
    return next((line for line in shown if _without_numbers(line) not in rest), None)


def _without_numbers(line: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[0-9a-f]*[0-9][0-9a-f.]*", "#", line)).strip()


def main() -> int:
    """Exit code 1 if the README is out of date."""
    shown = shown_lines(README.read_text())
    unprinted = first_unprinted(shown, sys.stdin.read().splitlines())
    if unprinted or not shown:
        print(f"README.md is out of date: the demo does not print {unprinted!r}", file=sys.stderr)
        return 1
    print("README.md shows what the demo prints")
    return 0


if __name__ == "__main__":
    sys.exit(main())
