"""The README shows what the demo prints, for the commands in its console block::

examples/demo.sh | python scripts/readme.py          exit code 1 if it shows anything else (numbers aside)
examples/demo.sh | python scripts/readme.py --write  put what the demo prints there
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


def block(commands: Sequence[str], printed: Sequence[str]) -> str:
    """These commands, each with all that the demo printed for it; raises ValueError for one it did not run."""
    lines: list[str] = []
    start = 0
    for command in commands:
        start = printed.index(command, start) + 1
        end = next((i for i in range(start, len(printed)) if re.match(r"\$ |# ", printed[i])), len(printed))
        lines += [command, *printed[start:end]]
        while not lines[-1]:
            lines.pop()
    return "".join(f"{line}\n" for line in lines)


def without_numbers(text: str) -> str:
    """The text, the same for all numbers, digests and bars."""
    return re.sub(r" +", " ", re.sub(r"[0-9a-f]*[0-9][0-9a-f.]*|[▁-▉·]+|[+-]{3,}", "#", text))


def main() -> int:
    """Check or write; returns the exit code."""
    readme = README.read_text()
    shown = _BLOCK.findall(readme)[0]
    commands = [line for line in shown.splitlines() if line.startswith("$ ")]
    fresh = block(commands, sys.stdin.read().splitlines())
    if "--write" in sys.argv:
        README.write_text(_BLOCK.sub(lambda _: fresh, readme, count=1))
    elif without_numbers(fresh) != without_numbers(shown):
        print(f"README.md is out of date; the demo prints:\n{fresh}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
