"""What users of other tools type: spellings, names, and options that have no meaning here."""

from __future__ import annotations

ALIASES = {
    "linear": "average",
    "simple-average": "average",
    "weighted-average": "average",
    "model-soup": "average",
    "ours": "take-ours",
    "theirs": "take-theirs",
    "base": "take-base",
    "ties-merging": "ties",
    "ramplus-tl": "ramplus scope=tensor",
    "tsv-m": "tsv",
    "tsvm": "tsv",
    "isoc": "iso-c",
    "isocts": "iso-cts",
    "consensus-ta": "consensus",
    "emr-merging": "emr",
    "pcb-merging": "pcb",
    "wudi-merging": "wudi",
    "fisher-merging": "fisher",
}
"""Names under which other tools and papers know a built-in strategy, and options of it that go with the name."""

UNNEEDED = {
    "int8-mask": "it saves memory in mergekit and changes no value; leave it out",
    "density": "it is for strategies that drop a part of every change, as ties, breadcrumbs, dare-ties and della do",
    "rescale": "it makes up for dropped changes, and here none are, as they are by dare-ties, della and breadcrumbs",
    "random-seed": "nothing is drawn at random",
    "dtype": "values are computed in float32, or float64 if a version is float64",
    "out-dtype": "the result has the dtype of base, or the new one where a side changed it",
    "base-model": "base is the common ancestor, which git finds",
    "cuda": "device=cuda computes on a GPU",
}
"""Options of mergekit, and why a strategy that does not have them needs none."""


def plain(name: str) -> str:
    """A name in the one spelling in which names are compared: ``Dare_TIES`` -> dare-ties."""
    return name.strip().lower().replace("_", "-")
