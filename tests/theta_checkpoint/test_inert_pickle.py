"""Pickles are data: nothing of them is run, and none of them takes more than its share."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from theta_checkpoint import inert_pickle
from theta_checkpoint import value_text
from theta_checkpoint.formats import layout_of
from theta_checkpoint.inert_pickle import DICT
from theta_checkpoint.inert_pickle import Global
from theta_checkpoint.inert_pickle import Inert
from theta_checkpoint.inert_pickle import Persistent
from theta_checkpoint.layout import BytesSource
from theta_checkpoint.layout import DamagedCheckpoint
from theta_checkpoint.pickled_tensors import entries


def load(data: bytes) -> object:
    return inert_pickle.load(io.BytesIO(data))


def plain(thing: object) -> object:
    """Inert dicts and sets as real ones."""
    match thing:
        case Inert(function=function, pairs=pairs) if function == DICT:
            return {plain(key): plain(value) for key, value in pairs or []}
        case Inert(function=Global(name="set" | "frozenset"), items=items, args=args):
            return {plain(item) for item in (args[0] if args else items) or []}  # type: ignore[attr-defined]
        case list():
            return [plain(item) for item in thing]
        case tuple():
            return tuple(plain(item) for item in thing)
    return thing


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_things_of_every_protocol(protocol: int) -> None:
    thing = {"a": [1, -(2**70), 2.5, None, True], "b": ((), (1,), (1, 2, 3, 4)), 3: {"s", "t"}, "ü": {"nested": {}}}
    assert plain(load(pickle.dumps(thing, protocol))) == thing


def test_nothing_is_called(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    found = load(pickle.dumps(Evil(f"touch {mark}")))
    assert isinstance(found, Inert)
    assert (str(found.function), found.args) == (f"{os.system.__module__}.system", (f"touch {mark}",))
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_a_command_is_laid_out_without(tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "mark"
    file = io.BytesIO()
    torch.save({"w": torch.ones(2), "evil": Evil(f"touch {mark}")}, file, _use_new_zipfile_serialization=zipped)
    found = layout_of(BytesSource(file.getvalue()))
    assert [group.name for group in found.groups] == ["w"]
    assert found.values[0].text.startswith("posix.system [")
    assert not mark.exists()


def test_build_sets_state_without_setattr() -> None:
    found = load(pickle.dumps(OrderedDict(a=1)))
    assert isinstance(found, Inert)
    assert found.pairs == [("a", 1)]


def test_persistent_ids_and_extensions_are_names() -> None:
    assert load(b"Pkey\n.") == Persistent("key")
    assert load(b"\x82\x07.") == Global("copyreg", "extension 7")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"N",
        b"(.",
        b"\x80\x09N.",
        b"\x96" + (2**62).to_bytes(8, "little") + b".",  # BYTEARRAY8
        b"\x8e" + (2**62).to_bytes(8, "little") + b".",  # BINBYTES8
        b"\x95" + (2**62).to_bytes(8, "little") + b".",  # FRAME
        b"Np99999999999999999999\n.",  # PUT
        b"h\x05.",  # GET of nothing
        b"NN\x93.",  # STACK_GLOBAL of no names
        b"cos\nsystem\nNR.",  # REDUCE without a tuple
        b"\x97.",  # NEXT_BUFFER
        b"N\x98.",  # READONLY_BUFFER
        b"NNs.",  # SETITEM on None
        b"(NNNd.",  # a key without a value
        b"I" + b"9" * 10_000 + b"\n.",
        b"c" + b"x" * 2000 + b"\ny\n.",
    ],
)
def test_damage_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(DamagedCheckpoint):
        load(data)


def test_a_huge_memo_index_costs_nothing() -> None:
    assert load(b"Nr\xff\xff\xff\xff.") is None


def test_containers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_CREATED", 1000)
    with pytest.raises(DamagedCheckpoint, match="containers"):
        load(b"]" * 1001 + b".")


def test_opcodes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(DamagedCheckpoint, match="opcodes"):
        load(b"\x80\x04\x95" + (2000).to_bytes(8, "little") + b"N" * 1999 + b".")


def test_keys_are_never_hashed() -> None:
    """The key is a pair of one pair, twice, and so on 200 times: its hash would take 2**200 steps."""
    pairs = b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(200))
    found = load(b")q\0" + pairs + b"}h\xc8Ns.")
    assert isinstance(found, Inert)
    assert found.pairs is not None
    assert found.pairs[0][1] is None


def test_shared_nesting_is_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each dict holds the one before it twice: 2**60 entries in 500 bytes."""
    monkeypatch.setattr(value_text, "MAX_WORK", 10_000)
    shared = b"".join(b"}q" + bytes([i + 1]) + b"(K\1h" + bytes([i]) + b"K\2h" + bytes([i]) + b"u" for i in range(60))
    with pytest.raises(DamagedCheckpoint, match="shares its parts"):
        entries(load(b"}q\0" + shared + b"."))


def test_a_list_too_long_to_be_paid_for_is_refused_before_it_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_text, "MAX_WORK", 1000)
    budget = value_text.Budget()
    with pytest.raises(DamagedCheckpoint, match="shares its parts"):
        value_text.value_text([None] * 5000, budget)
    assert budget.left > 900


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(DamagedCheckpoint, match="deep"):
        entries(load(b"]" * 100_000 + b"a" * 99_999 + b"."))


def test_a_huge_number_shared_by_many_is_refused() -> None:
    """A million digits, referred to a hundred thousand times: writing them down would take a day."""
    size = 400_000
    number = b"\x8b" + size.to_bytes(4, "little") + b"\x7f" * size + b"q\0"
    with pytest.raises(DamagedCheckpoint, match="shares its parts"):
        entries(load(b"](" + number + b"h\0" * 100_000 + b"e."))
