"""The JSON that every reading verb prints on request."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping

VERSION = 1


def add_json_option(parser: ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def print_json(document: Mapping[str, object]) -> None:
    """Print a document as one JSON object with its version first."""
    print(json.dumps({"version": VERSION, **document}, indent=2))
