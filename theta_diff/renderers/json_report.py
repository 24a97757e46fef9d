"""The diff as JSON: see docs for its schema. No number in it is NaN or infinite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from theta_diff.change import Change
from theta_diff.compare import NamedTensor
from theta_diff.compare import Pair
from theta_diff.compare import ValueChange
from theta_diff.report import Report

VERSION = 1


def document(report: Report) -> dict[str, Any]:
    """The report of one file as what :func:`json.dumps` takes, without a version of its own."""
    comparison = report.comparison
    return {
        "old": report.old,
        "new": report.new,
        "formats": list(comparison.formats) if comparison.formats else None,
        "added": [_added(tensor, report.changes.get(tensor.name)) for tensor in comparison.added],
        "removed": [_tensor(tensor) for tensor in comparison.removed],
        "renamed": [_renamed(pair) for pair in comparison.renamed],
        "modified": [_modified(pair, report.changes.get(pair.new.name)) for pair in comparison.modified],
        "unchanged": comparison.unchanged,
        "parameters": comparison.parameters,
        "values": [_value(change) for change in comparison.values],
        "tied": [{"name": name, "owner": owner} for name, owner in comparison.tied],
        "untied": [{"name": name, "owner": owner} for name, owner in comparison.untied],
        "other_bytes": comparison.other_bytes,
        "notes": list(report.notes),
    }


def text(report: Report) -> str:
    """The report of one file as one JSON object."""
    return json.dumps({"version": VERSION, **document(report)}, indent=2, allow_nan=False)


def _tensor(tensor: NamedTensor) -> dict[str, Any]:
    return {"name": tensor.name, **_kind(tensor)}


def _added(tensor: NamedTensor, change: Change | None) -> dict[str, Any]:
    return _tensor(tensor) | ({"nans": change.nans[1], "infinities": change.infinities[1]} if change else {})


def _kind(tensor: NamedTensor) -> dict[str, Any]:
    return {"dtype": tensor.dtype, "shape": list(tensor.shape)}


def _renamed(pair: Pair) -> dict[str, Any]:
    return {"from": pair.old.name, **_tensor(pair.new)}


def _modified(pair: Pair, change: Change | None) -> dict[str, Any]:
    facts = {"name": pair.new.name, "old": _kind(pair.old), "new": _kind(pair.new)}
    change = change or Change()
    measures = {
        "relative_change": change.relative_change,
        "cosine": change.cosine,
        "max_abs": change.max_abs,
        "estimated": change.estimated,
        "from_zero": change.from_zero,
        "nans": list(change.nans),
        "infinities": list(change.infinities),
    }
    if not change.statistics:
        return facts | _finite(measures)
    from theta_diff.verdict import verdict

    return facts | _finite(measures | {"verdict": verdict(pair, change.statistics)}) | _statistics(change)


def _statistics(change: Change) -> dict[str, Any]:
    found = asdict(change.statistics) if change.statistics else {}
    for known in ("norm", "relative_change", "cosine", "max_abs"):
        del found[known]
    found["facts"] = sorted(found["facts"])
    return {"statistics": _finite(found)}


def _finite(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with null for every number that JSON cannot write."""
    return {key: _plain(value) for key, value in facts.items()}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return _finite(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _value(change: ValueChange) -> dict[str, Any]:
    return {"name": change.name, "old": _decoded(change.old), "new": _decoded(change.new)}


def _decoded(text: str | None) -> Any:
    """A value's text as JSON if it is JSON, else the text itself; null where there is none."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=_refused)
    except ValueError:
        return text


def _refused(constant: str) -> None:
    raise ValueError(constant)
