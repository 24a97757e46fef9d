from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn

from strategies.side_data import diagonal_fisher
from strategies.side_data import empirical_fisher
from strategies.side_data import input_grams
from strategies.side_data import save_side_data


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn((12, 4), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def classifier() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(4, 3)


def test_the_fisher_of_logistic_regression(classifier: nn.Linear, inputs: Tensor) -> None:
    p = classifier(inputs).softmax(dim=1)
    spread = p * (1 - p)
    fisher = diagonal_fisher(classifier, [inputs[:5], inputs[5:]])
    torch.testing.assert_close(fisher["bias"], spread.mean(0))
    torch.testing.assert_close(fisher["weight"], (spread.T @ inputs.square() / len(inputs)))


def test_the_empirical_fisher_of_logistic_regression(classifier: nn.Linear, inputs: Tensor) -> None:
    labels = torch.arange(12) % 3
    error = classifier(inputs).softmax(dim=1) - nn.functional.one_hot(labels)
    fisher = empirical_fisher(classifier, zip((inputs[:5], inputs[5:]), (labels[:5], labels[5:]), strict=True))
    torch.testing.assert_close(fisher["bias"], error.square().mean(0))
    torch.testing.assert_close(fisher["weight"], error.square().T @ inputs.square() / len(inputs))


def test_the_loss_may_be_another(classifier: nn.Linear, inputs: Tensor) -> None:
    fisher = empirical_fisher(classifier, [(inputs, inputs[:, :3])], lambda output, wanted: (output - wanted)[:, 0])
    torch.testing.assert_close(fisher["bias"], torch.tensor([1.0, 0.0, 0.0]))


def test_a_model_is_left_as_it_was(classifier: nn.Linear, inputs: Tensor) -> None:
    model = nn.Sequential(nn.Dropout(0.5), classifier).train()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    diagonal_fisher(model, [inputs])
    input_grams(model, [inputs])
    assert model.training
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
    assert not classifier._forward_pre_hooks


class Named(nn.Module):
    """A model called by keyword, with its scores in an attribute, and a parameter that takes no part."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.idle = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Any:
        return SimpleNamespace(logits=self.body(x))


def test_models_as_transformers_has_them(inputs: Tensor) -> None:
    model = Named()
    fisher = diagonal_fisher(model, [{"x": inputs}])
    torch.testing.assert_close(fisher["idle"], torch.zeros(2))
    torch.testing.assert_close(fisher["body.weight"], diagonal_fisher(model.body, [inputs])["weight"])
    torch.testing.assert_close(
        fisher["body.weight"], diagonal_fisher(model, [(inputs,)], lambda output: output.logits)["body.weight"]
    )


def test_grams_are_means_over_all_inputs_of_a_layer(inputs: Tensor) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    hidden = model[:2](inputs).detach()
    grams = input_grams(model, inputs.reshape(3, 2, 2, 4))
    torch.testing.assert_close(grams["0.weight"], inputs.T @ inputs / 12)
    torch.testing.assert_close(grams["2.weight"], hidden.T @ hidden / 12)
    assert grams.keys() == {"0.weight", "2.weight"}


def test_a_model_that_is_one_layer_has_no_dot_in_its_name(classifier: nn.Linear, inputs: Tensor) -> None:
    assert input_grams(classifier, [inputs]).keys() == {"weight"}


def test_side_data_is_kept_as_safetensors(tmp_path: Path, classifier: nn.Linear, inputs: Tensor) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "model.fisher.safetensors"
    fisher = diagonal_fisher(classifier, [inputs])
    save_side_data(path, fisher)
    loaded = load_file(path)
    assert loaded.keys() == fisher.keys()
    assert all(torch.equal(loaded[name], fisher[name]) for name in fisher)
