"""Inert objects are written as they were read: what Python makes of the pickle is the same."""

from __future__ import annotations

import io
import pickle
from collections import Counter
from collections import OrderedDict
from collections import defaultdict
from datetime import date
from fractions import Fraction
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from theta_checkpoint import inert_pickle
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.new_pickle import pickled
from theta_checkpoint.new_structure import CannotWrite


class Point(NamedTuple):
    """Made by ``__new__``."""

    x: int
    y: object


class Words(list[str]):
    """A list of a class of its own."""


class Secretive:
    """Its ``__init__`` must not run."""

    def __init__(self) -> None:
        raise AssertionError("called")


def secretive() -> Secretive:
    found = Secretive.__new__(Secretive)
    found.__dict__["inside"] = [1]
    return found


THINGS = [
    [1, -(2**70), 2.5, float("inf"), None, True, "ü\U0001f600\ud800", "x" * 500],
    [b"\0\xff" * 200, bytearray(b"\0\xff"), (), (1,), (1, 2, 3, 4)],
    {"a": {1: 2, (1, 2): 3, None: 4, 2.5: 5}, "b": OrderedDict(z=1, a=2), "c": defaultdict(list, k=[1])},
    [{1, 2}, frozenset([3]), Counter("aab"), Point(1, [2]), date(2020, 1, 2), Fraction(1, 3), complex(1, 2)],
    SimpleNamespace(a=1, b=[2]),
    len,
    range(3),
]


def rewritten(thing: object, protocol: int = 2) -> object:
    return pickle.loads(pickled(inert_pickle.load(io.BytesIO(pickle.dumps(thing, protocol)))))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", THINGS, ids=str)
def test_things_come_back(thing: object, protocol: int) -> None:
    assert rewritten(thing, protocol) == thing
    assert str(rewritten(thing, protocol)) == str(thing)


@pytest.mark.parametrize("protocol", [2, 4])
def test_new_is_not_init(protocol: int) -> None:
    found = rewritten(secretive(), protocol)
    assert vars(found) == {"inside": [1]}


def test_attributes_of_containers_come_back() -> None:
    thing = OrderedDict(a=1)
    thing.__dict__["_metadata"] = {"version": 2}
    words = Words(["a", "b"])
    words.__dict__["language"] = "en"
    found = rewritten([thing, words])
    assert isinstance(found, list)
    assert vars(found[0]) == {"_metadata": {"version": 2}}
    assert found[1] == ["a", "b"]
    assert vars(found[1]) == {"language": "en"}


def test_what_is_shared_is_shared_and_what_holds_itself_does() -> None:
    shared: list[object] = [1]
    loop: dict[str, object] = {"shared": (shared, shared)}
    loop["self"] = loop
    found = rewritten(loop)
    assert isinstance(found, dict)
    assert found["self"] is found
    assert found["shared"][0] is found["shared"][1]


def test_shared_tuples_do_not_grow() -> None:
    node: tuple[object, ...] = ()
    for _ in range(60):
        node = (node, node)
    assert len(pickled(inert_pickle.load(io.BytesIO(pickle.dumps(node))))) < 1000


@pytest.mark.parametrize(
    "node", [Global("module", "Outer.Inner"), Global("new\nline", "x"), Inert(Global("m", "f"), (object(),))]
)
def test_what_cannot_be_written(node: object) -> None:
    with pytest.raises(CannotWrite):
        pickled(node)


def test_what_is_nested_too_deeply_is_refused() -> None:
    node: object = None
    for _ in range(10_000):
        node = [node]
    with pytest.raises(CannotWrite, match="nested too deeply"):
        pickled(node)
