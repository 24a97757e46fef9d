"""`git theta add --update-type`: the file has the updated values, the store only the factors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.conftest import Begun
from tests.conftest import Git
from theta_cli import update_files
from theta_cli.commands import add
from theta_cli.main import run
from theta_cli.updating import CannotUpdate
from theta_store.objects import MissingObject
from theta_store.updates import BadUpdate

Array = NDArray[numpy.float32]
Commit = Callable[[dict[str, Array]], dict[str, Array]]
RANDOM = numpy.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype("f4")


@pytest.fixture
def commit(repo: Path, git: Git) -> Commit:
    """``commit(groups)`` commits a checkpoint of these groups."""

    def run(groups: dict[str, Array]) -> dict[str, Array]:
        save_file(groups, repo / "model.safetensors")
        git("add", ".")
        git("commit", "--quiet", "--message=model")
        return groups

    return run


@pytest.fixture
def model(begun: Begun, commit: Commit) -> dict[str, Array]:
    """A committed checkpoint."""
    random = numpy.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {"layer.weight": (120, 90), "conv.weight": (16, 8, 3, 3), "layer.bias": (120,)}
    groups = {name: random.standard_normal(shape).astype("f4") for name, shape in shapes.items()}
    return begun("a model to update", lambda: commit(groups))


def update(kind: str, data: Path | str) -> dict[str, Array]:
    """The checkpoint in the working tree after an update."""
    assert run("add", ["model.safetensors", "--update-type", kind, "--update-data", str(data)]) == 0
    return load_file("model.safetensors")


def adapter(repo: Path, config: dict[str, object], **tensors: Array) -> None:
    """A folder as PEFT saves it, of rank 4 and alpha 8."""
    (repo / "adapter").mkdir()
    plain = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "init_lora_weights": True}
    (repo / "adapter/adapter_config.json").write_text(json.dumps({**plain, **config}))
    save_file(tensors, repo / "adapter/adapter_model.safetensors")


def objects_size(repo: Path) -> int:
    return sum(path.stat().st_size for path in (repo / ".git/theta/objects").rglob("*") if path.is_file())


def test_types_are_those_that_files_are_read_for() -> None:
    assert (*update_files.KINDS, "lora") == add.UPDATE_TYPES


def test_low_rank(repo: Path, git: Git, model: dict[str, Array]) -> None:
    left, right = normal(120, 2), normal(2, 90)
    before = objects_size(repo)
    save_file({"layer.weight/R": left, "layer.weight/C": right}, "update")
    groups = update("low-rank", "update")
    assert numpy.allclose(groups["layer.weight"], model["layer.weight"] + left @ right, atol=1e-5)
    assert numpy.array_equal(groups["layer.bias"], model["layer.bias"])
    assert objects_size(repo) - before < left.nbytes + right.nbytes + 3000
    assert " low-rank base=" in git("show", ":model.safetensors")


def test_sparse(model: dict[str, Array]) -> None:
    indices = numpy.array([3, 5, 10_799], "i8")
    save_file({"layer.weight/data": normal(3), "layer.weight/indices": indices}, "update")
    groups = update("sparse", "update")
    assert numpy.flatnonzero(groups["layer.weight"] != model["layer.weight"]).tolist() == indices.tolist()


@pytest.mark.parametrize("places", [[3, 3], [-1, 2], [0, 10_800], [0.0, 1.0]])
def test_places_that_are_none_or_the_same_are_refused(git: Git, model: dict[str, Array], places: list[float]) -> None:
    save_file({"layer.weight/data": normal(2), "layer.weight/indices": numpy.array(places)}, "update")
    with pytest.raises(BadUpdate, match=r"layer\.weight"):
        update("sparse", "update")
    assert git("status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.parametrize("shape", [(120, 1), (1, 90), (90,)])
def test_ia3(git: Git, model: dict[str, Array], shape: tuple[int, ...]) -> None:
    vector = normal(*shape)
    save_file({"layer.weight/ia3": vector}, "update")
    assert numpy.array_equal(update("ia3", "update")["layer.weight"], model["layer.weight"] * vector)
    assert " ia3 base=" in git("show", ":model.safetensors")


def test_ia3_of_a_convolution_and_of_a_bias(model: dict[str, Array]) -> None:
    vectors = {"conv.weight/ia3": normal(16, 1, 1, 1), "layer.bias/ia3": normal(120)}
    save_file(vectors, "update")
    groups = update("ia3", "update")
    for name in ("conv.weight", "layer.bias"):
        assert numpy.array_equal(groups[name], model[name] * vectors[f"{name}/ia3"])


def test_a_group_that_is_named_is_replaced(model: dict[str, Array]) -> None:
    new = normal(120)
    save_file({"layer.bias": new}, "update")
    assert numpy.array_equal(update("low-rank", "update")["layer.bias"], new)


@pytest.mark.parametrize("stabilised", [False, True])
def test_a_lora_adapter(repo: Path, model: dict[str, Array], stabilised: bool) -> None:
    down, up, conv_down, conv_up = normal(4, 90), normal(120, 4), normal(4, 8, 3, 3), normal(16, 4, 1, 1)
    tensors = {
        "base_model.model.layer.lora_A.weight": down,
        "base_model.model.layer.lora_B.weight": up,
        "base_model.model.conv.lora_A.weight": conv_down,
        "base_model.model.conv.lora_B.weight": conv_up,
    }
    adapter(repo, {"use_rslora": stabilised}, **tensors)
    groups = update("lora", "adapter")
    scale = 4 if stabilised else 2
    assert numpy.allclose(groups["layer.weight"], model["layer.weight"] + scale * up @ down, atol=1e-4)
    change = (conv_up.reshape(16, 4) @ conv_down.reshape(4, -1)).reshape(16, 8, 3, 3)
    assert numpy.allclose(groups["conv.weight"], model["conv.weight"] + scale * change, atol=1e-4)


def test_a_lora_adapter_with_biases(repo: Path, model: dict[str, Array]) -> None:
    bias = normal(120)
    names = ("base_model.model.layer.lora_A.weight", "base_model.model.layer.lora_B.weight")
    tensors = dict(zip(names, (normal(4, 90), normal(120, 4)), strict=True))
    adapter(repo, {"bias": "lora_only"}, **tensors, **{"base_model.model.layer.base_layer.bias": bias})
    assert numpy.array_equal(update("lora", "adapter")["layer.bias"], bias)


def pair(module: str, outputs: int, inputs: int, rank: int = 4) -> dict[str, Array]:
    """The factors for a module, as PEFT names them."""
    prefix = f"base_model.model.{module}"
    return {f"{prefix}.lora_A.weight": normal(rank, inputs), f"{prefix}.lora_B.weight": normal(outputs, rank)}


def product(tensors: dict[str, Array], module: str) -> Array:
    up, down = (tensors[f"base_model.model.{module}.lora_{part}.weight"] for part in "BA")
    return up @ down


@pytest.mark.parametrize("same", [True, False])
def test_an_embedding_that_was_saved_beside_its_factors(repo: Path, commit: Commit, same: bool) -> None:
    before = commit({"embed.weight": normal(50, 8)})["embed.weight"]
    own = before if same else normal(50, 8)
    prefix = "base_model.model.embed"
    factors = {f"{prefix}.lora_embedding_A": normal(4, 50), f"{prefix}.lora_embedding_B": normal(8, 4)}
    adapter(repo, {}, **factors, **{f"{prefix}.base_layer.weight": own})
    change = 2 * (factors[f"{prefix}.lora_embedding_B"] @ factors[f"{prefix}.lora_embedding_A"]).T
    assert numpy.allclose(update("lora", "adapter")["embed.weight"], own + change, atol=1e-5)


def test_biases_of_factors_are_added(repo: Path, model: dict[str, Array]) -> None:
    bias = normal(120)
    adapter(repo, {"lora_bias": True}, **pair("layer", 120, 90), **{"base_model.model.layer.lora_B.bias": bias})
    assert numpy.allclose(update("lora", "adapter")["layer.bias"], model["layer.bias"] + 2 * bias)


@pytest.mark.parametrize("tokens", [[7, 3], {"other": [1], "embed": [7, 3]}])
def test_tokens_that_were_trained_alone_are_replaced(repo: Path, git: Git, commit: Commit, tokens: object) -> None:
    before = commit({"model.embed.weight": normal(50, 400)})["model.embed.weight"]
    rows = normal(2, 400)
    name = "base_model.model.model.embed.token_adapter.trainable_tokens_delta"
    adapter(repo, {"trainable_token_indices": tokens}, **{name: rows})
    size = objects_size(repo)
    after = update("lora", "adapter")["model.embed.weight"]
    assert numpy.array_equal(after[[7, 3]], rows)
    assert numpy.array_equal(numpy.delete(after, [3, 7], 0), numpy.delete(before, [3, 7], 0))
    assert objects_size(repo) - size < before.nbytes // 4


def test_a_matrix_with_a_row_for_each_input_is_known_by_its_shape(repo: Path, commit: Commit) -> None:
    before = commit({"conv1d.weight": normal(10, 30), "linear.weight": normal(30, 10)})
    tensors = pair("conv1d", 30, 10) | pair("linear", 30, 10)
    adapter(repo, {"fan_in_fan_out": False}, **tensors)
    groups = update("lora", "adapter")
    for name, turned in (("conv1d", True), ("linear", False)):
        change = product(tensors, name)
        after = before[f"{name}.weight"] + 2 * (change.T if turned else change)
        assert numpy.allclose(groups[f"{name}.weight"], after, atol=1e-5)


def test_an_adapter_for_a_model_in_several_files(repo: Path, git: Git, model: dict[str, Array]) -> None:
    second = {"head.weight": normal(20, 10)}
    save_file(second, repo / "second.safetensors")
    git("add", "second.safetensors")
    git("commit", "--quiet", "--message=second")
    tensors = pair("layer", 120, 90) | pair("head", 20, 10)
    adapter(repo, {}, **tensors)
    paths = ["model.safetensors", "second.safetensors"]
    assert run("add", [*paths, "--update-type", "lora", "--update-data", "adapter"]) == 0
    after = load_file("model.safetensors")["layer.weight"]
    assert numpy.allclose(after, model["layer.weight"] + 2 * product(tensors, "layer"), atol=1e-4)
    after = load_file("second.safetensors")["head.weight"]
    assert numpy.allclose(after, second["head.weight"] + 2 * product(tensors, "head"), atol=1e-4)


def test_an_adapter_that_does_not_fit_one_of_several_files_changes_none(
    repo: Path, git: Git, model: dict[str, Array]
) -> None:
    save_file({"head.weight": normal(20, 10)}, repo / "second.safetensors")
    git("add", "second.safetensors")
    git("commit", "--quiet", "--message=second")
    adapter(repo, {}, **pair("layer", 120, 90), **pair("head", 20, 11))
    paths = ["model.safetensors", "second.safetensors"]
    with pytest.raises(
        BadUpdate, match=r"model\.safetensors second\.safetensors: group head\.weight: .*git theta show"
    ):
        run("add", [*paths, "--update-type", "lora", "--update-data", "adapter"])
    assert git("status", "--porcelain", "--untracked-files=no") == ""


def test_an_ia3_adapter(repo: Path, git: Git, model: dict[str, Array]) -> None:
    vectors = {"layer.ia3_l": normal(120, 1), "conv.ia3_l": normal(1, 8, 1, 1)}
    config: dict[str, object] = {"peft_type": "IA3", "feedforward_modules": ["conv"]}
    adapter(repo, config, **{f"base_model.model.{name}": vector for name, vector in vectors.items()})
    groups = update("ia3", "adapter")
    assert numpy.array_equal(groups["layer.weight"], model["layer.weight"] * vectors["layer.ia3_l"])
    assert numpy.array_equal(groups["layer.bias"], model["layer.bias"] * vectors["layer.ia3_l"][:, 0])
    assert numpy.array_equal(groups["conv.weight"], model["conv.weight"] * vectors["conv.ia3_l"])
    assert git("show", ":model.safetensors").count(" ia3 base=") == 3


@pytest.mark.parametrize("feedforward", [True, False])
def test_an_ia3_adapter_of_a_matrix_with_a_row_for_each_input(repo: Path, commit: Commit, feedforward: bool) -> None:
    before = commit({"conv1d.weight": normal(10, 30), "conv1d.bias": normal(30)})
    vector = normal(10 if feedforward else 30)
    tensor = vector.reshape((1, -1) if feedforward else (-1, 1))
    patterns = ".*conv1d" if feedforward else ".*other"
    config: dict[str, object] = {"peft_type": "IA3", "fan_in_fan_out": True, "feedforward_modules": patterns}
    adapter(repo, config, **{"base_model.model.conv1d.ia3_l": tensor})
    groups = update("ia3", "adapter")
    assert numpy.array_equal(groups["conv1d.weight"], before["conv1d.weight"] * tensor.T)
    assert numpy.array_equal(groups["conv1d.bias"], before["conv1d.bias"] * (1 if feedforward else vector))


def test_many_updates_in_a_row_come_back_and_no_chain_grows_too_long(
    repo: Path, git: Git, model: dict[str, Array]
) -> None:
    files = []
    for step in range(12):
        save_file({"layer.weight/R": normal(120, 1), "layer.weight/C": normal(1, 90)}, "update")
        update("low-rank", "update")
        git("commit", "--quiet", f"--message=step {step}", "--", "model.safetensors")
        files.append((repo / "model.safetensors").read_bytes())
    for age, content in enumerate(reversed(files)):
        git("checkout", "--quiet", f"main~{age}")
        assert (repo / "model.safetensors").read_bytes() == content


def test_the_updated_file_is_what_was_added(repo: Path, git: Git, model: dict[str, Array]) -> None:
    save_file({"layer.bias/ia3": normal(120)}, "update")
    update("ia3", "update")
    git("commit", "--quiet", "--message=update", "--", "model.safetensors")
    (repo / ".git/theta/known.sqlite").unlink()
    (repo / "model.safetensors").touch()
    assert git("status", "--porcelain", "--untracked-files=no") == ""


def test_changes_of_the_file_are_not_overwritten(repo: Path, model: dict[str, Array]) -> None:
    save_file({**model, "layer.bias": normal(120)}, repo / "model.safetensors")
    before = (repo / "model.safetensors").read_bytes()
    save_file({"layer.bias/ia3": normal(120)}, "update")
    with pytest.raises(CannotUpdate, match="not committed"):
        update("ia3", "update")
    assert (repo / "model.safetensors").read_bytes() == before


def test_an_update_survives_rebase_squash_and_cherry_pick(repo: Path, git: Git, model: dict[str, Array]) -> None:
    git("switch", "--quiet", "--create", "tuned")
    for step in ("one", "two"):
        save_file({"layer.weight/R": normal(120, 1), "layer.weight/C": normal(1, 90)}, "update")
        update("low-rank", "update")
        git("commit", "--quiet", f"--message={step}", "--", "model.safetensors")
    tuned = (repo / "model.safetensors").read_bytes()
    git("switch", "--quiet", "main")
    (repo / "notes").write_text("main went on")
    git("add", "notes")
    git("commit", "--quiet", "--message=notes")
    git("switch", "--quiet", "--detach", "main")
    git("cherry-pick", "tuned~1", "tuned")
    assert (repo / "model.safetensors").read_bytes() == tuned
    git("switch", "--quiet", "tuned")
    git("rebase", "--quiet", "main")
    assert (repo / "model.safetensors").read_bytes() == tuned
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--squash", "tuned")
    git("commit", "--quiet", "--message=squashed")
    assert (repo / "model.safetensors").read_bytes() == tuned


def test_values_that_are_not_here_are_named(repo: Path, model: dict[str, Array]) -> None:
    shutil.rmtree(repo / ".git/theta/objects")
    (repo / "model.safetensors").unlink()
    save_file({"layer.weight/ia3": normal(90)}, "update")
    with pytest.raises(MissingObject, match=r"group layer.weight: .*git theta fetch"):
        update("ia3", "update")


@pytest.mark.parametrize(
    ("kind", "entries", "message"),
    [
        ("low-rank", {"layer.weight/R": (120, 2)}, "layer.weight/C: an update of type low-rank has"),
        ("low-rank", {"layer.weight/R": (90, 2), "layer.weight/C": (2, 120)}, r"does not fit F32\[120,90\]"),
        ("low-rank", {"other/R": (2, 2), "other/C": (2, 2)}, "no group other"),
        ("ia3", {"layer.weight/ia3": (120,)}, "does not fit"),
        ("ia3", {"layer.weight/scale": (90,)}, "layer.weight/scale: an update of type ia3"),
    ],
)
def test_updates_that_do_not_fit_are_refused(
    git: Git, model: dict[str, Array], kind: str, entries: dict[str, tuple[int, ...]], message: str
) -> None:
    save_file({name: normal(*shape) for name, shape in entries.items()}, "update")
    with pytest.raises(BadUpdate, match=message):
        update(kind, "update")
    assert git("status", "--porcelain", "--untracked-files=no") == ""


def test_a_file_without_an_update_is_refused(model: dict[str, Array]) -> None:
    save_file({}, "update")
    with pytest.raises(BadUpdate, match=r"model\.safetensors: update has no update in it"):
        update("low-rank", "update")
