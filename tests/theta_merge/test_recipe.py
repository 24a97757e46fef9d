from __future__ import annotations

import re

import pytest

from strategies.contract import MergeError
from theta_merge.recipe import BadRecipe
from theta_merge.recipe import matches
from theta_merge.recipe import parsed
from theta_merge.recipe import written

TEXT = """
[default]
strategy = "take-theirs"

[[rule]]
match = "encoder.*"
strategy = "average"
options = { weights = [0.7, 0.3] }

[[rule]]
match = ["*"]
path = "*.pt"
strategy = "take-ours"
"""


def test_the_first_rule_that_matches_counts() -> None:
    recipe = parsed(TEXT, "r.toml")
    found = recipe.choices("m.pt", ["encoder.w", "head.w"], ["encoder.w", "head.w"], 2)
    assert {name: one.strategy.name for name, one in found.items()} == {"encoder.w": "average", "head.w": "take-ours"}
    assert found["encoder.w"].options["weights"] == (0.7, 0.3)


def test_rules_for_other_files_do_not_count() -> None:
    found = parsed(TEXT, "r.toml").choices("m.safetensors", ["encoder.w", "head.w"], ["head.w"], 2)
    assert found == {}


def test_what_is_written_is_read_again() -> None:
    recipe = parsed(TEXT, "r.toml")
    assert parsed(written(recipe), "again") == recipe


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("encoder.layer.3.w", "encoder.layer.{0..11}.*", True),
        ("encoder.layer.12.w", "encoder.layer.{0..11}.*", False),
        ("a.bias", "*.{weight,bias}", True),
        ("a.scale", "*.{weight,bias}", False),
        ("A", "a", False),
    ],
)
def test_patterns(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rule]]\nmatch = '*'", "needs strategy"),
        ("[[rule]]\nstrategy = 'average'\nweights = 1", "unknown key 'weights'"),
        ("[default]\nstrategy = 'fisher'\noptions = { fisher = '/etc/passwd,x' }", "outside of the repository"),
        ("[default]\nstrategy = 'fisher'\noptions = { fisher = ['../a', 'b'] }", "outside of the repository"),
        ("command = 'rm'", "unknown key 'command'"),
        ("[default]\nstrategy = \n", r"r.toml: Invalid value \(at line 2, column 12\)"),
        ("[default]\nstrategy = 'average'\n\n[[rule]]\nmatch = '*'", "r.toml, line 4: rule 1: it needs strategy"),
    ],
)
def test_bad_recipes_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(BadRecipe, match=message):
        parsed(text, "r.toml")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "match = 'encodr.*'\nstrategy = 'average'",
            "r.toml, line 1: rule 1: the pattern 'encodr.*' matches no parameter group of m.pt; "
            "a name like it is encoder.w",
        ),
        (
            "match = '*'\nstrategy = 'avrage'",
            "r.toml, line 1: rule 1: no strategy is called 'avrage'; did you mean average",
        ),
        ("match = '*'\nstrategy = 'average'\noptions = { wieghts = 1 }", "did you mean weights"),
        ("match = '*'\nstrategy = 'average'\noptions = { weights = [1, 2, 3] }", "one per side"),
    ],
)
def test_rules_are_checked_whether_they_are_needed_or_not(rule: str, message: str) -> None:
    recipe = parsed(f"[[rule]]\n{rule}", "r.toml")
    with pytest.raises(MergeError, match=re.escape(message)):
        recipe.choices("m.pt", ["encoder.w"], [], 2)
