from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from strategies.contract import BadOption
from strategies.contract import MergeError
from strategies.contract import Strategy
from strategies.given_options import check_sides
from strategies.given_options import options_of_sides
from strategies.given_options import parse_options
from strategies.option import Option
from strategies.registry import built_in_strategies
from strategies.registry import strategy

ALL = built_in_strategies()
every_strategy = pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)


def test_everything_about_strategies_is_known_without_torch() -> None:
    code = (
        "import sys\n"
        "from strategies.given_options import parse_options\n"
        "from strategies.registry import built_in_strategies\n"
        "for s in built_in_strategies(): s.survey(parse_options(s, {})); s.elementwise(parse_options(s, {}))\n"
        "for s in built_in_strategies(): s.ignores_base(parse_options(s, {}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@every_strategy
def test_metadata_is_complete(each: Strategy) -> None:
    for text in (each.summary, each.formula, each.when, each.cost):
        assert text
        assert "\n" not in text
    assert len(each.summary) <= 110
    fewest, most = each.sides
    assert 1 <= fewest <= (most or fewest)


@every_strategy
def test_defaults_are_in_range(each: Strategy) -> None:
    for option in each.options:
        assert option.parse(str(option.default)) == option.default
        assert option.help


@every_strategy
def test_option_names_and_aliases_are_unique(each: Strategy) -> None:
    names = [name for option in each.options for name in (option.name, *option.aliases)]
    assert len(names) == len(set(names))


@every_strategy
def test_options_may_be_given_as_text(each: Strategy) -> None:
    text = {option.name: str(option.default) for option in each.options}
    assert parse_options(each, text) == parse_options(each, {})


@every_strategy
def test_an_unknown_option_names_the_strategy_and_what_there_is(each: Strategy) -> None:
    with pytest.raises(BadOption, match=rf"'{each.name}' has no option 'wieghtz'"):
        parse_options(each, {"wieghtz": 1})


@every_strategy
def test_a_value_out_of_range_names_option_range_and_strategy(each: Strategy) -> None:
    for option in each.options:
        bad = "-1e400" if option.kind in ("float", "int") else "perhaps"
        with pytest.raises(BadOption) as raised:
            parse_options(each, {option.name: bad})
        assert all(part in str(raised.value) for part in (each.name, option.name, option.domain, bad))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (
            "ties",
            {"density": 1.5},
            "'ties': option 'density' takes a number in [0, 1], or one per side, not 1.5",
        ),
        ("ties", {"density": "0.5,2"}, "option 'density' takes a number in [0, 1], or one per side, not '0.5,2'"),
        ("ties", {"elect": "none"}, "option 'elect' takes weighted or unweighted, not 'none'"),
        ("average", {"normalize": "maybe"}, "option 'normalize' takes true or false, not 'maybe'"),
        ("average", {"weights": "nan"}, "option 'weights' takes a number, or one per side, not 'nan'"),
        ("karcher", {"max_iter": 1.5}, "option 'max_iter' takes a whole number in [1, 10000], not 1.5"),
        ("nearswap", {"t": 0}, "option 't' takes a number in (0, inf), not 0"),
        ("ties", {"svc_alpha": "some"}, "option 'svc_alpha' takes auto or a number in (0, 1], not 'some'"),
        ("ties", {"densty": 1}, "strategy 'ties' has no option 'densty'; did you mean density"),
        ("ties", {"int8_mask": True}, "strategy 'ties' needs no option 'int8_mask': it saves memory in mergekit"),
        ("task-arithmetic", {"density": 1}, "needs no option 'density': it is for strategies that drop a part"),
        ("tsv", {"x": 1}, "strategy 'tsv' has no option 'x'; it has flatten, scale, svc, "),
        ("ties", {"lambda": 1, "scale": 2}, "'scale' and 'lambda' are the same option"),
    ],
)
def test_messages(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption) as raised:
        parse_options(strategy(name), given)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("average", {"weight": "0.7,0.3"}, {"weights": (0.7, 0.3)}),
        ("average", {"weights": [1, 2]}, {"weights": (1.0, 2.0)}),
        ("average", {"weights": 2}, {"weights": 2.0}),
        ("task-arithmetic", {"lambda": "0.4"}, {"scale": 0.4}),
        ("nuslerp", {"nuslerp-flatten": "no"}, {"flatten": False}),
        ("ties", {"Density": " 0.2 "}, {"density": 0.2}),
        ("ties", {"lines_alpha": "auto"}, {"lines_alpha": "auto"}),
        ("dare-ties", {"rescale": "true"}, {"rescale": "l1"}),
        ("dare-ties", {"rescale": False}, {"rescale": "none"}),
    ],
)
def test_what_other_tools_call_it_is_understood(name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    parsed = parse_options(strategy(name), given)
    assert {key: parsed[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [("slerp", 3, "'slerp' merges exactly 2 sides, not 3"), ("passthrough", 2, "exactly 1 side, not 2")],
)
def test_the_number_of_sides_is_checked(name: str, count: int, message: str) -> None:
    chosen = strategy(name)
    with pytest.raises(MergeError, match=message):
        check_sides(chosen, parse_options(chosen, {}), count)


def test_a_number_per_side_must_fit_the_sides() -> None:
    chosen = strategy("average")
    with pytest.raises(BadOption, match=r"'average'.*'weights' takes one number, or one per side \(2\), not 3"):
        check_sides(chosen, parse_options(chosen, {"weights": "1,2,3"}), 2)


def test_numbers_of_sides_left_out_go_with_them() -> None:
    chosen = strategy("average")
    options = parse_options(chosen, {"weights": "1,2,3"})
    assert options_of_sides(chosen, options, (0, 2), 3)["weights"] == (1.0, 3.0)


def test_an_interval_may_leave_its_ends_out() -> None:
    option = Option("x", "float", 0.5, "", "(0, 1]")
    assert option.parse("1") == 1
    for bad in ("0", "1.001", "inf", "nan", ""):
        with pytest.raises(ValueError):  # noqa: PT011  the message is parse_options'
            option.parse(bad)
