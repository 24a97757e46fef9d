from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from theta_checkpoint.layout import Alias
from theta_checkpoint.layout import Value
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_diff.change import Change
from theta_diff.compare import compared
from theta_diff.renderers import json_report
from theta_diff.report import Report
from theta_diff.spectrum import Spectrum
from theta_diff.statistics import Statistics
from theta_diff.statistics import Summary

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "diff.schema.json").read_text())
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def is_of(document: Any, name: str) -> bool:
    return isinstance(document, TYPES[name]) and (name == "boolean" or not isinstance(document, bool))


def violations(document: Any, schema: Any, where: str = "$") -> list[str]:
    """What of the schema's words `type`, `const`, `required`, `properties`, `items` and `$ref` the document breaks."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema and document != schema["const"]:
        return [f"{where} is {document!r}"]
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(is_of(document, name) for name in names):
            return [f"{where} is {document!r}"]
    found = []
    if isinstance(document, dict) and "properties" in schema:
        found += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in document]
        found += [f"{where}.{name} is not in the schema" for name in document if name not in schema["properties"]]
        for name in document.keys() & schema["properties"].keys():
            found += violations(document[name], schema["properties"][name], f"{where}.{name}")
    if isinstance(document, list) and "items" in schema:
        for number, item in enumerate(document):
            found += violations(item, schema["items"], f"{where}[{number}]")
    return found


def manifest(digests: dict[str, str], ties: dict[str, str], values: dict[str, str], format: str) -> Manifest:
    return Manifest(
        format=format,
        groups={name: Tensor(name, "F32", (2, 3), digest * 64) for name, digest in digests.items()},
        aliases={name: Alias(name, "F32", (2, 3), owner) for name, owner in ties.items()},
        values={name: Value(name, text) for name, text in values.items()},
        skeleton="5" * 64,
        recipes={},
    )


def everything() -> Report:
    tied = {"t": "6", "u": "7"}
    old = manifest(
        {"a": "1", "b": "2", "c": "3", "gone": "4"} | tied, {"v": "u"}, {"e": "3", "x": "NaN"}, "safetensors"
    )
    new = manifest(
        {"a": "8", "b": "9", "z": "3", "new": "0", "v": "7"} | tied, {}, {"e": "4", "n": "set [1]"}, "opaque"
    )
    nan, infinity = float("nan"), float("inf")
    summary = Summary(nan, None, -infinity, 1.0, 1, 0)
    statistics = Statistics(
        elements=6,
        changed=3,
        distance=infinity,
        norm=0.0,
        relative_change=None,
        cosine=None,
        max_abs=0.5,
        max_at=(1, 2),
        old=summary,
        new=summary,
        shift=0.1,
        shift_rest=0.2,
        scale=None,
        scale_rest=0.3,
        rows=2,
        changed_rows=1,
        zero_rows=(0, 1),
        facts=frozenset({"ulp"}),
        spectrum=Spectrum(None, 1, 2),
    )
    changes = {"a": Change(nan, 0.5, infinity, statistics=statistics), "new": Change(nans=(0, 1))}
    return Report("old.pt", "new.pt", compared(old, new), changes, notes=("a note",))


def test_a_report_with_everything_in_it_follows_the_schema() -> None:
    document = json.loads(json_report.text(everything()))
    assert violations(document, SCHEMA) == []
    assert all(
        document[key] for key in ("added", "removed", "renamed", "modified", "values", "untied", "formats", "notes")
    )


def test_the_schema_can_be_broken() -> None:
    document = json.loads(json_report.text(everything()))
    assert violations(document | {"version": 2}, SCHEMA) == ["$.version is 2"]
    assert violations(document | {"unchanged": "3"}, SCHEMA) == ["$.unchanged is '3'"]
    assert violations(document | {"unchanged": True}, SCHEMA) == ["$.unchanged is True"]
    assert violations(document | {"more": 1}, SCHEMA) == ["$.more is not in the schema"]
    del document["modified"][0]["cosine"]
    assert violations(document, SCHEMA) == ["$.modified[0].cosine is missing"]


def test_no_number_is_nan_or_infinite() -> None:
    assert not re.search(r"NaN(?!\")|Infinity", json_report.text(everything()))


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ('"pt"', "pt"), ("[1, 2]", [1, 2]), ("NaN", "NaN"), ("set [1]", "set [1]"), (None, None)],
)
def test_values_are_json_where_they_can_be(text: str | None, value: object) -> None:
    old = manifest({}, {}, {} if text is None else {"v": text}, "safetensors")
    new = manifest({}, {}, {"v": "0.125"}, "safetensors")
    (found,) = json_report.document(Report("a", "b", compared(old, new)))["values"]
    assert found == {"name": "v", "old": value, "new": 0.125}
