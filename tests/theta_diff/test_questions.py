"""The questions people have after a training run, asked of a real fine-tune and of known changes to a real model."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.real_checkpoints import fine_tune as fine_tune
from theta_store.checkpoint import opened
from theta_store.values import array

Git = Callable[..., str]
Weights = dict[str, NDArray[Any]]
RANDOM = numpy.random.default_rng(0)
EMBEDDING, SQUARE, WIDE = "atom_embedding.embedding.weight", "mlp.layers.0.weight", "angle_embedding.weight"


@pytest.fixture
def tuned(repo: Path, fine_tune: tuple[Path, Path], git: Git) -> None:
    """The fine-tune as two commits."""
    for message, path in zip(("0.3.0", "r2SCAN"), fine_tune, strict=True):
        shutil.copyfile(path, "chgnet.pt")
        git("add", "--all")
        git("commit", "--quiet", "--message", message)


@pytest.fixture
def weights(fine_tune: tuple[Path, Path]) -> Weights:
    """The weights of the model before its fine-tune, by their own names."""
    prefix = "model/state_dict/"
    with opened(fine_tune[0]) as checkpoint:
        names = [name for name in checkpoint.manifest.groups if name.startswith(prefix)]
        return {name.removeprefix(prefix): array(checkpoint, name).copy() for name in names}


@pytest.fixture
def base(repo: Path, weights: Weights, git: Git) -> Weights:
    """The same weights, committed as ``m.safetensors``."""
    save_file(weights, "m.safetensors")
    git("add", "--all")
    git("commit", "--quiet", "--message", "base")
    return weights


def modified(git: Git, *options: str) -> dict[str, dict[str, Any]]:
    """What ``git theta diff --json`` tells of each modified group."""
    (file,) = json.loads(git("theta", "diff", "--json", *options))["files"]
    return {group["name"]: group for group in file["modified"]}


def said(git: Git, base: Weights, **changed: NDArray[Any]) -> dict[str, str]:
    """The verdict of each group after these have changed in the working tree; dots are spelt ``__``."""
    save_file({**base, **{name.replace("__", "."): value for name, value in changed.items()}}, "m.safetensors")
    return {name: group["verdict"] for name, group in modified(git, "--exact").items()}


def test_what_changed_and_how_much(tuned: None, git: Git) -> None:
    lines = git("diff", "HEAD~1", "HEAD").splitlines()
    assert '~ model/model_args/composition_model  "MPtrj" -> "MP-r2SCAN"' in lines
    assert "~ trainer_args/epochs  30 -> 50" in lines
    assert lines[-1].startswith("509 groups modified, 8 unchanged; 1.1 M of 1.2 M parameters in modified groups")
    estimated, exact = modified(git, "HEAD~1", "HEAD"), modified(git, "--exact", "HEAD~1", "HEAD")
    energies = "model/state_dict/composition_model.fc.weight"
    assert exact[energies]["relative_change"] == pytest.approx(4.2, rel=0.02)
    errors = sorted(
        abs(estimated[name]["relative_change"] / group["relative_change"] - 1)
        for name, group in exact.items()
        if name.startswith("model/")
    )
    assert errors[len(errors) * 9 // 10] < 0.12
    assert errors[-1] < 0.25


def test_where_and_which_layer_never_moved(tuned: None, git: Git) -> None:
    text = git("diff", "HEAD~1", "HEAD")
    assert "model/state_dict/angle_layers.*   layer  0 2" in text
    assert "  twoBody_bond.bn1.weight                ▆▆·" in text
    assert not any(name.startswith("model/state_dict/angle_layers.2.") for name in modified(git, "HEAD~1", "HEAD"))


def test_is_it_plausible_for_continuous_integration(tuned: None) -> None:
    def code(*rules: str) -> int:
        options = [word for rule in rules for word in ("--fail-on", rule)]
        command = ["git", "theta", "diff", "--summary", *options, "HEAD~1", "HEAD"]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert code("nan", "inf", "dtype", "shape", "removed", "frozen:model/state_dict/angle_layers.2.*") == 0
    assert code("frozen:model/state_dict/atom_embedding.*") == 1
    assert code("relative_change>4") == 1


def test_each_thing_done_to_a_group_is_recognised(base: Weights, git: Git) -> None:
    square, embedding, wide = base[SQUARE], base[EMBEDDING], base[WIDE]
    factors = RANDOM.standard_normal((64, 8)), RANDOM.standard_normal((8, 256))
    gate = base["bond_conv_layers.0.twoBody_bond.mlp_gate.layers.0.weight"]
    rows = embedding.copy()
    rows[[3, 17, 60]] += RANDOM.standard_normal((3, 64)).astype(numpy.float32)
    dead = base["mlp.layers.4.weight"].copy()
    dead[8:24] = 0
    nan = base["mlp.layers.2.weight"].copy()
    nan[5, 6] = numpy.nan
    changed = {
        "bond_conv_layers.0.twoBody_bond.mlp_gate.layers.0.weight": gate
        + (1e-2 * factors[0] @ factors[1]).astype(numpy.float32),
        EMBEDDING: rows,
        "mlp.layers.4.weight": dead,
        "mlp.layers.2.weight": nan,
        SQUARE: square.astype(ml_dtypes.bfloat16).astype(numpy.float32),
        "mlp.layers.0.bias": base["mlp.layers.0.bias"] * numpy.float32(0.9),
        "mlp.layers.2.bias": base["mlp.layers.2.bias"] + numpy.float32(0.25),
        "mlp.layers.4.bias": numpy.zeros_like(base["mlp.layers.4.bias"]),
        WIDE: numpy.nextafter(wide, numpy.float32(9)),
        "bond_embedding.weight": base["bond_embedding.weight"]
        + RANDOM.standard_normal((64, 31)).astype(numpy.float32) * numpy.float32(1e-2),
        "mlp.layers.7.weight": base["mlp.layers.7.weight"].astype(numpy.float16),
    }
    assert said(git, {**base, **changed}) == {
        "bond_conv_layers.0.twoBody_bond.mlp_gate.layers.0.weight": "rank-8 update",
        EMBEDDING: "3 of 94 rows",
        "mlp.layers.4.weight": "16 rows became all zeros",
        "mlp.layers.2.weight": "1 of 4096 elements, none of them finite",
        SQUARE: "rounded to BF16",
        "mlp.layers.0.bias": "scaled by 0.9",
        "mlp.layers.2.bias": "constant shift of +0.25",
        "mlp.layers.4.bias": "now all zeros",
        WIDE: "only noise: at most 1 ulp",
        "bond_embedding.weight": "",
        "mlp.layers.7.weight": "cast to F16, equal after rounding",
    }
    assert "~ mlp.layers.2.weight" in git("diff")
    assert "NaN: 0 -> 1" in git("diff")


def test_a_transposed_matrix_is_called_nothing_else(base: Weights, git: Git) -> None:
    assert said(git, {**base, SQUARE: numpy.ascontiguousarray(base[SQUARE].T)}) == {SQUARE: ""}
    save_file({**base, WIDE: numpy.ascontiguousarray(base[WIDE].T)}, "m.safetensors")
    assert f"~ {WIDE}  F32[64,31] -> F32[31,64]\n" in git("theta", "diff", "--exact")


def test_a_cast_of_the_whole_model_is_one_fact(base: Weights, git: Git) -> None:
    save_file({name: value.astype(ml_dtypes.bfloat16) for name, value in base.items()}, "m.safetensors")
    lines = git("theta", "diff", "--exact").splitlines()
    count = len(base)
    assert lines[2] == f"~ the whole model cast from F32 to BF16 ({count} groups), equal after rounding"
    assert lines[3].startswith(f"{count} groups modified; ")
    assert len(lines) == 4


def test_a_rename_and_a_move_to_another_file_are_told(base: Weights, git: Git) -> None:
    head = {name: base.pop(name) for name in list(base) if name.startswith("mlp.")}
    base["atoms.weight"] = base.pop(EMBEDDING)
    save_file(base, "m.safetensors")
    save_file(head, "head.safetensors")
    git("add", "--all")
    text = git("theta", "diff", "--cached")
    assert "> atoms.weight" in text
    assert f"renamed from {EMBEDDING}" in text
    assert "> head.safetensors: mlp.layers.{0,2,4,7}.weight  moved from m.safetensors  (4 groups)" in text
