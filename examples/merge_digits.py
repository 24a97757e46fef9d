"""Two specialists become one model again: every strategy, on the digits that ship inside scikit-learn.

A small network learns all ten digits a little (base). Ours goes on with the digits 0 to 4 alone, theirs with 5 to 9.
Each forgets what it no longer sees. Both are merged by every strategy and tested on all ten digits::

    python examples/merge_digits.py [SEEDS]
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from statistics import pstdev

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch import nn

from strategies.apply import merged
from strategies.contract import Context
from strategies.contract import Strategy
from strategies.given_options import parse_options
from strategies.registry import built_in_strategies
from strategies.side_data import diagonal_fisher
from strategies.side_data import input_grams
from strategies.survey import surveyed

State = Mapping[str, Tensor]
Data = tuple[Tensor, Tensor]
Given = Mapping[str, object]

VARIANTS: dict[str, tuple[Given, ...]] = {
    "task-arithmetic": ({"scale": 0.5}, {"svc": "true"}),
    "ties": ({"svc": "true"},),
    "fisher": ({"normalize": "tensor"},),
}


def digits(seed: int) -> tuple[Data, Data]:
    """Training and test data: images [n, 64] in [0, 1], labels [n]."""
    found = load_digits()
    images, labels = torch.tensor(found.data / 16, dtype=torch.float32), torch.tensor(found.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    train, test = order[:1200], order[1200:]
    return (images[train], labels[train]), (images[test], labels[test])


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def trained(model: nn.Module, data: Data, steps: int, rate: float) -> nn.Module:
    """A copy of the model after full-batch steps of Adam."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


def half(data: Data, low: int) -> Data:
    """The examples of five digits."""
    mask = (data[1] >= low) & (data[1] < low + 5)
    return data[0][mask], data[1][mask]


def accuracy(model: nn.Module, data: Data) -> float:
    return float((model(data[0]).argmax(dim=1) == data[1]).float().mean())


def accuracies(seed: int) -> dict[str, float]:
    """Accuracy on all ten test digits, by strategy, and of base and the two sides."""
    train, test = digits(seed)
    halves = [half(train, 0), half(train, 5)]
    base = trained(network(seed), train, steps=10, rate=3e-3)
    sides = [trained(base, each, steps=60, rate=3e-3) for each in halves]
    samples = [list(images[:200, None]) for images, _ in halves]
    side_data = {
        "fisher": [diagonal_fisher(side, sample) for side, sample in zip(sides, samples, strict=True)],
        "gram": [input_grams(side, sample) for side, sample in zip(sides, samples, strict=True)],
    }
    found = {
        name: accuracy(model, test) for name, model in zip(("base", "ours", "theirs"), (base, *sides), strict=True)
    }
    for strategy, given in every_way():
        model = copy.deepcopy(base)
        data = side_data.get(strategy.side_data or "", [])
        states = [side.state_dict() for side in sides]
        model.load_state_dict(merged_state(strategy, given, base.state_dict(), states, data))
        found[" ".join([strategy.name, *(f"{option}={value}" for option, value in given.items())])] = accuracy(
            model, test
        )
    return found


def every_way() -> Iterator[tuple[Strategy, Given]]:
    """Every strategy that computes with its default options, and a few with others."""
    for strategy in built_in_strategies():
        if not strategy.selects and not strategy.products and strategy.sides[1] != 1:
            for given in ({}, *VARIANTS.get(strategy.name, ())):
                yield strategy, given


def merged_state(
    strategy: Strategy, given: Given, base: State, sides: Sequence[State], side_data: Sequence[State]
) -> dict[str, Tensor]:
    """The merged state dict, group by group."""
    options = parse_options(strategy, given)
    groups = [
        (
            Context(name, side_data=tuple(each.get(name) for each in side_data)),
            base[name],
            [side[name] for side in sides],
        )
        for name in base
    ]
    statistics = surveyed(strategy, options, lambda: groups)
    return {
        context.group: merged(strategy, start, ends, options, replace(context, statistics=statistics))
        for context, start, ends in groups
    }


def main(seeds: int) -> None:
    runs = [accuracies(seed) for seed in range(seeds)]
    print(f"accuracy on all ten digits, percent, mean and standard deviation over {seeds} seeds\n")
    rows = [(name, [100 * run[name] for run in runs]) for name in runs[0]]
    models, strategies = rows[:3], sorted(rows[3:], key=lambda row: -fmean(row[1]))
    average = dict(strategies)["average"]
    for name, values in (*models, *strategies):
        wins = sum(value > plain for value, plain in zip(values, average, strict=True))
        print(f"{name:28}{fmean(values):6.1f}  +- {pstdev(values):4.1f}   above average in {wins} of {seeds}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
