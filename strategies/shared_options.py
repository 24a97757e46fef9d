"""Options that several strategies take, spelled once."""

from __future__ import annotations

from strategies.contract import Options
from strategies.option import Option

WEIGHTS = Option("weights", "float", 1.0, "how much each side counts, ours first", per_side=True, aliases=("weight",))
POSITIVE_WEIGHTS = Option(
    "weights", "float", 1.0, "how much each side counts, ours first", "[0, inf)", per_side=True, aliases=("weight",)
)
NORMALIZE = Option("normalize", "bool", True, "divide by the sum of the weights", aliases=("normalize_weights",))
SCALE = Option("scale", "float", 1.0, "factor on the merged change (the papers' lambda)", aliases=("lambda", "lambda_"))
SEED = Option("seed", "int", 0, "another seed gives other random draws", aliases=("random_seed",))
DELTAS = Option("deltas", "bool", False, "work on the changes since base, where there is a base, not on raw values")
FLATTEN = Option("flatten", "bool", False, "treat tensors of 3 and more axes as matrices (first axis, all others)")
ELECT = Option(
    "elect",
    "choice",
    "weighted",
    "signs are elected by weighted changes, or by changes as they are, as in the paper",
    choices=("weighted", "unweighted"),
)
ANGLES = Option(
    "angles",
    "choice",
    "float64",
    "what norms and angles are computed in: float64, or like all else the precision of the input, as mergekit does",
    choices=("float64", "input"),
)
DIVISOR = Option(
    "divisor",
    "choice",
    "absolute",
    "what normalize divides by: the weights of the sides that agree without their signs, or with them, which negative "
    "ones make small or negative (mergekit)",
    choices=("absolute", "signed"),
)
RANK_SPREAD = Option(
    "epsilon", "float", 0.15, "how far probabilities lie from density at both ends of a row", "[0, 1)", per_side=True
)
OUTLIERS = Option("gamma", "float", 0.01, "share of largest magnitudes that is dropped", "[0, 1]", per_side=True)
CHANGED = Option("epsilon", "float", 0.0, "changes up to this size do not count (mergekit: 1e-5)", "[0, inf)")


def without_deltas(options: Options) -> bool:
    """For :attr:`Strategy.ignores_base`: unless the changes since base are asked for."""
    return not options["deltas"]


def no_l1_norm(options: Options) -> bool:
    """For :attr:`Strategy.elementwise`: unless the L1 norm of the whole tensor is to be kept."""
    return bool(options["rescale"] != "l1")


def no_cancelling_weights(options: Options) -> str | None:
    """For :attr:`Strategy.check`: weights that are to be normalised must not sum to 0."""
    weights = options["weights"]
    if options.get("normalize", True) and abs(sum(weights)) <= 1e-9 * sum(map(abs, weights)):
        return f"option 'weights' takes numbers that do not sum to 0, not {', '.join(f'{w:g}' for w in weights)}"
    return None


def probabilities_in_range(options: Options) -> str | None:
    """For :attr:`Strategy.check`: density +- epsilon must be probabilities."""
    for share, spread in zip(options["density"], options["epsilon"], strict=True):
        if not share - spread > 0 or not share + spread < 1:
            wanted = "numbers with density +- epsilon in (0, 1)"
            return f"options 'density' and 'epsilon' take {wanted}, not {share:g} +- {spread:g}"
    return None


def density(default: float, help: str) -> Option:
    """Share of each side's change that is kept."""
    return Option("density", "float", default, help, "[0, 1]", per_side=True)


def rescale(*choices: str) -> Option:
    """How kept entries make up for dropped ones; the first choice is the default."""
    return Option(
        "rescale",
        "choice",
        choices[0],
        "how kept values make up for dropped ones: unbiased (times 1/probability), l1 (same L1 norm, as mergekit), "
        "none",
        choices=choices,
        meanings={"true": "l1", "false": "none"},
    )


def scope(help: str, default: str, aliases: tuple[str, ...] = ()) -> Option:
    """Whether something is looked at tensor by tensor, or over the whole model in a pass before the merge."""
    return Option("scope", "choice", default, help, choices=("tensor", "model"), aliases=aliases)
