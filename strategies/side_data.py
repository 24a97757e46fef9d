"""What ``fisher`` and ``regmean`` need beside the weights, measured on a sample of the data.

::

    save_side_data("model.fisher.safetensors", diagonal_fisher(model, batches))
    save_side_data("model.gram.safetensors", input_grams(model, batches))

Batches are what the model is called with: a tensor, a tuple of arguments, or a mapping of keyword arguments. The
model is put in evaluation mode meanwhile; its parameters and gradients are left as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any

import torch
from torch import Tensor
from torch import nn


def diagonal_fisher(
    model: nn.Module, batches: Iterable[Any], logits: Callable[[Any], Tensor] | None = None
) -> dict[str, Tensor]:
    """The true diagonal Fisher information of every parameter: mean over x of sum_y p(y|x) (d log p(y|x))^2.

    The expectation is over the model's own predictions, so no labels are needed. ``logits`` finds the scores
    [examples, classes] in the model's output (default: the output itself, or its ``logits``). Takes one backward pass
    per example and class, through the example's whole batch: a few hundred examples, one or a few per batch. Returns
    float32 by parameter name. arXiv:2111.09832.
    """
    sums = _Sums(model)
    with _evaluating(model):
        for batch in batches:
            output = _called(model, batch)
            scores = logits(output) if logits else getattr(output, "logits", output)
            for example in scores.reshape(-1, scores.shape[-1]).log_softmax(dim=-1):
                for log_probability in example:
                    sums.add(log_probability, weight=log_probability.exp().item())
                sums.examples += 1
    return sums.means()


def empirical_fisher(
    model: nn.Module, batches: Iterable[tuple[Any, Tensor]], losses: Callable[[Any, Tensor], Tensor] | None = None
) -> dict[str, Tensor]:
    """Mean over examples of the squared gradient of the loss at the given labels.

    Cheaper than :func:`diagonal_fisher`, and a different thing: it goes to zero where the model fits its labels.
    ``losses`` gives one loss per example from output and labels (default: cross entropy).
    """
    sums = _Sums(model)
    with _evaluating(model):
        for batch, labels in batches:
            output = _called(model, batch)
            for loss in (losses or _cross_entropies)(output, labels).reshape(-1):
                sums.add(loss, weight=1.0)
                sums.examples += 1
    return sums.means()


def input_grams(model: nn.Module, batches: Iterable[Any]) -> dict[str, Tensor]:
    """For the weight of every linear layer, the mean of x x^T over its inputs: float32, [in, in].

    Keyed by the weight's name, as ``regmean`` looks it up. Layers are ``nn.Linear`` and the ``Conv1D`` of transformers,
    whose [in, out] weights need ``transposed=true`` there. arXiv:2212.09849.
    """
    totals: dict[str, Tensor] = {}
    rows: dict[str, int] = {}

    def gather(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            flat = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).double()
            totals[name] = totals.get(name, torch.zeros((), dtype=torch.float64)) + flat.T @ flat
            rows[name] = rows.get(name, 0) + len(flat)

        return hook

    layers = [(name, layer) for name, layer in model.named_modules() if _is_linear(layer)]
    hooks = [layer.register_forward_pre_hook(gather(f"{name}.weight".lstrip("."))) for name, layer in layers]
    try:
        with _evaluating(model), torch.no_grad():
            for batch in batches:
                _called(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (total / max(rows[name], 1)).float() for name, total in totals.items()}


def save_side_data(path: str | PathLike[str], side_data: Mapping[str, Tensor]) -> None:
    """Write tensors by group name as safetensors; ``NAME.fisher.safetensors`` beside ``NAME.pt`` is found by itself."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in side_data.items()}, path)


class _Sums:
    """Running sums of squared gradients."""

    def __init__(self, model: nn.Module) -> None:
        self.named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
        self.squares = [torch.zeros_like(each, dtype=torch.float64) for _, each in self.named]
        self.examples = 0

    def add(self, scalar: Tensor, weight: float) -> None:
        parameters = [parameter for _, parameter in self.named]
        gradients = torch.autograd.grad(scalar, parameters, retain_graph=True, allow_unused=True)
        for square, gradient in zip(self.squares, gradients, strict=True):
            if gradient is not None:
                square.add_(gradient.double().square(), alpha=weight)

    def means(self) -> dict[str, Tensor]:
        count = max(self.examples, 1)
        pairs = zip(self.named, self.squares, strict=True)
        return {name: (square / count).float() for (name, _), square in pairs}


def _is_linear(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"


def _called(model: nn.Module, batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple | list) else model(batch)


def _cross_entropies(output: Any, labels: Tensor) -> Tensor:
    scores: Tensor = getattr(output, "logits", output)
    return nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), labels.reshape(-1), reduction="none")


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
