"""theta-merge: checkpoint files without git."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from strategies import selection
from tests.theta_merge.conftest import BASE
from tests.theta_merge.conftest import OURS
from tests.theta_merge.conftest import THEIRS
from tests.theta_merge.conftest import load
from tests.theta_merge.conftest import save
from theta_merge import files
from theta_merge.pour import poured
from theta_store import values as values_of_groups


@pytest.fixture(autouse=True)
def three_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, groups in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        save(name, groups)
    return tmp_path


def theta_merge(*arguments: str) -> int:
    sys.argv = ["theta-merge", *arguments]
    return files.main()


def test_average_with_weights() -> None:
    assert theta_merge("base", "ours", "theirs", "-o", "out", "--strategy", "average", "-X", "weights=0.75,0.25") == 0
    assert load("out") == {"a": 1.5, "b": 1.0, "c": 4.0, "d": 0.0}


def test_one_side_alone_goes_to_the_strategy() -> None:
    for arguments in (("ours",), ("-", "ours"), ("--base", "base", "ours")):
        assert theta_merge(*arguments, "-o", "out", "-s", "passthrough", "-X", "scale=0.5") == 0
        halved = {name: value / 2 for name, value in OURS.items()}
        assert load("out") == (halved if "--base" not in arguments else {**OURS, **_changed(halved)})


def _changed(groups: Mapping[str, float]) -> dict[str, float]:
    """Those that ours changed since base."""
    return {name: value for name, value in groups.items() if OURS[name] != BASE[name]}


def test_what_one_side_changed_is_negated() -> None:
    options = ("-s", "task-arithmetic", "-X", "weights=-1")
    assert theta_merge("--base", "base", "ours", "-o", "out", *options) == 0
    assert load("out") == {name: 2 * BASE[name] - value for name, value in OURS.items()}


def test_with_an_explicit_base_all_files_are_sides() -> None:
    assert theta_merge("base", "ours", "theirs", "-o", "one", "-s", "ties") == 0
    assert theta_merge("--base", "base", "ours", "theirs", "-o", "other", "-s", "ties") == 0
    assert Path("one").read_bytes() == Path("other").read_bytes()


def test_of_one_side_what_a_recipe_does_not_match_and_what_is_no_number_stays(three_files: Path) -> None:
    torch.save({"a": torch.ones(3), "b": torch.ones(3), "steps": torch.tensor(7), "epoch": 3}, "model.pt")
    (three_files / "r.toml").write_text('[[rule]]\nmatch = "a"\nstrategy = "passthrough"\noptions = { scale = 2.0 }\n')
    assert theta_merge("model.pt", "-o", "some.pt", "--recipe", "r.toml") == 0
    assert theta_merge("model.pt", "-o", "all.pt", "-s", "passthrough", "-X", "scale=2") == 0
    some, everything = (torch.load(name, weights_only=True) for name in ("some.pt", "all.pt"))
    assert (some["a"].tolist(), some["b"].tolist()) == ([2.0] * 3, [1.0] * 3)
    assert everything["b"].tolist() == [2.0] * 3
    assert (int(everything["steps"]), everything["epoch"]) == (7, 3)


def test_without_a_base_all_that_differs_is_merged() -> None:
    for arguments in (("ours", "theirs"), ("-", "ours", "theirs")):
        assert theta_merge(*arguments, "-o", "out", "-s", "average") == 0
        assert load("out") == {"a": 2.0, "b": 0.5, "c": 2.0, "d": 0.0}


def test_a_soup_of_several() -> None:
    assert theta_merge("-", "base", "ours", "theirs", "-o", "out", "-s", "average") == 0
    assert load("out")["a"] == pytest.approx(4 / 3)


def test_a_recipe(three_files: Path) -> None:
    (three_files / "r.toml").write_text('[[rule]]\nmatch = "a"\nstrategy = "take-theirs"\n')
    assert theta_merge("base", "ours", "theirs", "-o", "out", "--recipe", "r.toml") == 0
    assert load("out")["a"] == 3.0


def test_conflicts_are_told_and_nothing_is_written(three_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert theta_merge("base", "ours", "theirs", "-o", "out") == 1
    assert "a: both changed F32[4,3]" in capsys.readouterr().err
    assert not (three_files / "out").exists()


def test_a_dry_run_as_json(three_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert theta_merge("base", "ours", "theirs", "--dry-run", "--json", "-s", "average") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 1
    assert [group["result"] for group in found["groups"]] == ["by average", "from ours", "from theirs", "unchanged"]


def test_a_device_that_torch_does_not_have_is_refused(
    three_files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = ("base", "ours", "theirs", "-o", "out", "-s", "average")
    assert theta_merge(*arguments, "--device", "cuda") == 2
    assert "torch finds no such device" in capsys.readouterr().err
    assert not (three_files / "out").exists()
    assert theta_merge(*arguments, "--device", "cpu") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ours",), "say what to make of it"),
        (("-", "-s", "average"), "give a file too"),
        (("ours", "-s", "slerp"), "exactly 2 sides, not 1"),
        (("missing", "-s", "passthrough"), "missing"),
        (("base", "ours", "nowhere", "-s", "average"), "theta: nowhere: No such file or directory\n"),
        (
            ("base", "ours", "theirs", "-s", "fisher", "-X", "fisher=a,b"),
            "theta: fisher=a: No such file or directory\n",
        ),
        (("base", "ours", "theirs", "-s", "avrage"), "did you mean average"),
        (("base", "ours", "theirs", "-s", "average", "-X", "weights=1,2,3"), "one per side"),
        (("base", "ours", "theirs", "-s", "fisher"), "diagonal_fisher"),
        (("base", "ours", "theirs", "-s", "regmean"), "input_grams"),
    ],
)
def test_mistakes_are_told(
    three_files: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert theta_merge(*arguments, "-o", "out") == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in three_files.iterdir()) == ["base", "ours", "theirs"]


@pytest.mark.parametrize("beside", [True, False])
def test_fisher_information_beside_the_files_or_named(beside: bool) -> None:
    names = ("ours.fisher.safetensors", "theirs.fisher.safetensors") if beside else ("one", "two")
    for name, weight in zip(names, (3.0, 1.0), strict=True):
        save(name, dict.fromkeys(BASE, weight))
    given = () if beside else ("-X", "fisher=one,two")
    assert theta_merge("base", "ours", "theirs", "-o", "out", "-s", "fisher", *given) == 0
    assert load("out")["a"] == pytest.approx(1.5)


def test_grams_of_the_linear_layers_are_enough_for_regmean() -> None:
    random = numpy.random.default_rng(0)
    base, ours, theirs = (random.standard_normal((4, 3)).astype(numpy.float32) for _ in range(3))
    for name, values in (("base", base), ("ours", ours), ("theirs", theirs)):
        save_file({"layer.weight": values, "layer.bias": values[:, 0].copy()}, name)
    inputs = [random.standard_normal((50, 3)) for _ in range(2)]
    grams = [each.T @ each / 50 for each in inputs]
    for name, gram in zip(("ours", "theirs"), grams, strict=True):
        save_file({"layer.weight": gram.astype(numpy.float32)}, f"{name}.gram.safetensors")
    options = ("-X", "alpha=1", "-X", "ridge=0")
    assert theta_merge("base", "ours", "theirs", "-o", "out", "-s", "regmean", *options) == 0
    merged = load_file("out")
    expected = (ours @ grams[0] + theirs @ grams[1]) @ numpy.linalg.inv(grams[0] + grams[1])
    assert numpy.allclose(merged["layer.weight"], expected, atol=1e-5)
    assert numpy.allclose(merged["layer.bias"], (ours[:, 0] + theirs[:, 0]) / 2)


def test_pytorch_files_have_sound_checksums_and_load(three_files: Path) -> None:
    torch.manual_seed(0)
    base = {"w": torch.randn(100, 100), "half": torch.randn(7).bfloat16()}
    for name, shift in (("b.pt", 0.0), ("o.pt", 1.0), ("t.pt", 3.0)):
        torch.save({"epoch": 3, **{key: tensor + shift for key, tensor in base.items()}}, name)
    assert theta_merge("b.pt", "o.pt", "t.pt", "-o", "out.pt", "-s", "average") == 0
    found = torch.load("out.pt", weights_only=True)
    assert torch.allclose(found["w"], base["w"] + 2)
    assert found["half"].dtype == torch.bfloat16
    reader = torch._C.PyTorchFileReader("out.pt")
    assert reader.get_record("data.pkl")


def test_the_output_may_be_one_of_the_inputs() -> None:
    assert theta_merge("base", "ours", "theirs", "-o", "ours", "-s", "average") == 0
    assert load("ours")["a"] == 2.0


@pytest.mark.parametrize(("size", "message"), [(None, "theirs: the file was written to"), (40, "the file ended at")])
def test_an_input_that_is_written_to_meanwhile_is_refused(
    three_files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    size: int | None,
    message: str,
) -> None:
    def poured_late(*arguments: Any) -> Any:
        with Path("theirs").open("r+b") as file:
            file.truncate(size) if size else file.write(file.read(1))
            os.utime(file.fileno(), ns=(0, 0))
        return poured(*arguments)

    monkeypatch.setattr(files, "poured", poured_late)
    assert theta_merge("base", "ours", "theirs", "-o", "out", "-s", "average") == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in three_files.iterdir()) == ["base", "ours", "theirs"]


@pytest.mark.parametrize("strategy", ["ties", "breadcrumbs-ties"])
def test_large_groups_are_trimmed_where_they_lie(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = numpy.random.default_rng(0)
    for name in ("base", "ours", "theirs"):
        values = random.standard_normal((300, 700)).astype(numpy.float32)
        save_file({"a": values, "b": values.astype(numpy.float16), "c": values[:0]}, name)
    assert theta_merge("base", "ours", "theirs", "-o", "held", "-s", strategy, "-X", "density=0.3") == 0
    monkeypatch.setattr(values_of_groups, "MAX_CHUNK", 1000)
    monkeypatch.setattr(selection, "_SAMPLE", 1000)
    assert theta_merge("base", "ours", "theirs", "-o", "in place", "-s", strategy, "-X", "density=0.3") == 0
    assert Path("in place").read_bytes() == Path("held").read_bytes()


def test_a_set_of_groups_that_neither_file_has() -> None:
    save("ours", {**OURS, "x": 1.0})
    save("theirs", {**THEIRS, "y": 1.0})
    assert theta_merge("base", "ours", "theirs", "-o", "out", "-s", "take-ours") == 0
    assert load("out") == {"a": 1.0, "b": 1.0, "c": 4.0, "d": 0.0, "x": 1.0, "y": 1.0}
