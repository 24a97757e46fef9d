"""LoRA adapters: merged as products, not factor by factor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save as saved
from safetensors.torch import save_file

from strategies.methods.lora import merged_factors
from theta_checkpoint.layout import BytesSource
from theta_merge import files
from theta_merge.adapters import partner
from theta_merge.adapters import scale
from theta_merge.choices import choice
from theta_merge.outcome import Versions
from theta_merge.settle import settled
from theta_store.capture import captured
from theta_store.identify import identified
from theta_store.store import Store

A, B = "model.q.lora_A.weight", "model.q.lora_B.weight"
Factors = tuple[torch.Tensor, torch.Tensor]


def factors(seed: int, rank: int = 2) -> Factors:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, 12, generator=generator), torch.randn(7, rank, generator=generator)


def save(folder: str, pair: Factors, alpha: float = 4.0, **config: object) -> None:
    Path(folder).mkdir()
    save_file({A: pair[0], B: pair[1], "head.weight": torch.full((2, 2), alpha)}, f"{folder}/adapter_model.safetensors")
    Path(folder, "adapter_config.json").write_text(json.dumps({"lora_alpha": alpha, "r": len(pair[0]), **config}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def merged(*options: str) -> Factors:
    names = [f"{name}/adapter_model.safetensors" for name in ("base", "ours", "theirs")]
    words = [word for option in options for word in ("-X", option)]
    sys.argv = ["theta-merge", *names, "-o", "out", "-s", "lora", *words]
    assert files.main() == 0
    found = load_file("out")
    return found[A], found[B]


def product(pair: Factors) -> torch.Tensor:
    return (pair[1].double() @ pair[0].double()).float()


def test_the_sum_of_products_is_exact_with_stacked_factors() -> None:
    pairs = [factors(1), factors(2, 3)]
    a, b = merged_factors(pairs, [0.3, 0.7], 2.0, None)
    assert (a.shape, b.shape) == ((5, 12), (7, 5))
    wanted = 0.3 * product(pairs[0]) + 0.7 * product(pairs[1])
    torch.testing.assert_close((2.0 * b @ a).float(), wanted)


def test_truncated_factors_are_the_best_of_their_rank() -> None:
    pairs = [factors(1), factors(2)]
    a, b = merged_factors(pairs, [0.5, 0.5], 1.0, 2)
    wanted = (product(pairs[0]) + product(pairs[1])).double() / 2
    u, s, v = torch.linalg.svd(wanted)
    torch.testing.assert_close(b @ a, u[:, :2] * s[:2] @ v[:2], rtol=1e-5, atol=1e-6)


def test_more_rank_than_there_is_is_filled_with_zeros() -> None:
    a, b = merged_factors([factors(1)], [1.0], 1.0, 6)
    assert (a.shape, b.shape) == ((6, 12), (7, 6))
    torch.testing.assert_close((b @ a).float(), product(factors(1)))


def test_adapters_merge_as_products_with_their_scales() -> None:
    for name, seed, alpha in (("base", 0, 4.0), ("ours", 1, 4.0), ("theirs", 2, 8.0)):
        save(name, factors(seed), alpha)
    a, b = merged("rank=4")
    # alpha / r: ours 2, theirs 4; the result of rank 4 is read with ours' alpha: 1
    torch.testing.assert_close(product((a, b)), (2 * product(factors(1)) + 4 * product(factors(2))) / 2)
    assert load_file("out")["head.weight"].tolist() == [[8.0, 8.0]] * 2


def test_the_rank_of_ours_is_kept_and_ranks_may_differ() -> None:
    for name, seed, rank in (("base", 0, 2), ("ours", 1, 2), ("theirs", 2, 3)):
        save(name, factors(seed, rank))
    a, b = merged()
    assert (a.shape, b.shape) == ((2, 12), (7, 2))
    assert merged("factors=stack")[0].shape == (5, 12)


def test_a_factor_that_only_one_side_changed_is_merged_with_its_partner() -> None:
    base, ours, theirs = factors(0), factors(1), factors(2)
    save("base", base)
    save("ours", (ours[0], base[1]))
    save("theirs", theirs)
    found = product(merged("rank=4"))
    torch.testing.assert_close(found, 2.0 * (product((ours[0], base[1])) + product(theirs)) / 2)


def test_without_a_configuration_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("base", "ours", "theirs")):
        save(name, factors(seed))
    Path("theirs/adapter_config.json").unlink()
    sys.argv = ["theta-merge", *(f"{name}/adapter_model.safetensors" for name in ("base", "ours", "theirs"))]
    sys.argv += ["-o", "out", "-s", "lora"]
    assert files.main() == 2
    assert "needs adapter_config.json with lora_alpha beside the adapter of theirs" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (A, B),
        (B, A),
        ("x.lora_embedding_A", "x.lora_embedding_B"),
        ("x.lora_A.default.weight", "x.lora_B.default.weight"),
        ("x.weight", None),
    ],
)
def test_pairs_go_by_their_names(name: str, other: str | None) -> None:
    assert partner(name) == other


def test_scales_follow_the_configuration() -> None:
    config = {"lora_alpha": 8, "use_rslora": True, "alpha_pattern": {"k": 2}}
    assert scale(json.dumps(config).encode(), 0, A, 4) == 4.0
    assert scale(json.dumps(config).encode(), 0, "model.k.lora_A.weight", 4) == 1.0
    whole = {"lora_alpha": 4, "alpha_pattern": {"^model.q": 16}}
    assert scale(json.dumps(whole).encode(), 0, "base_model.model.model.q.lora_A.weight", 4) == 4.0
    assert scale(b'{"lora_alpha": 8}', 0, A, 4) == 2.0


class BesideEverySide:
    def checkpoint(self, kind: str, side: int) -> None:
        return None

    def file(self, name: str, side: int) -> bytes:
        return b'{"lora_alpha": 2}'


@pytest.mark.parametrize(
    ("dtype", "factor", "why"),
    [
        (torch.float32, float("nan"), "holds NaN or infinity"),
        (torch.float16, 6e4, "the result is too large for F16"),
    ],
)
def test_a_pair_that_cannot_be_computed_stays_ours_as_a_pair(
    tmp_path: Path, dtype: torch.dtype, factor: float, why: str
) -> None:
    store = Store.at(tmp_path / "theta")
    manifests = []
    for seed in range(3):
        a, b = factors(seed)
        if seed == 2:
            a, b = a.sign(), b.sign() * factor
        source = BytesSource(saved({A: a.to(dtype), B: b.to(dtype)}))
        manifests.append(captured(source, identified(source), store))
    base, ours, theirs = manifests
    versions = Versions(base, (ours, theirs))
    result = settled(
        versions,
        dict.fromkeys(
            (conflict.name for conflict in versions.conflicts),
            choice("lora", {"weights": "1,999", "normalize": "false", "factors": "stack"}, 2),
        ),
        store,
        0,
        BesideEverySide(),
    )
    assert {item.conflict.name: item.why for item in result.open} == dict.fromkeys((A, B), why)
    assert result.manifest.groups == ours.groups
