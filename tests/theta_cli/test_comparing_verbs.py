from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.conftest import Begun
from theta_checkpoint.failure import Failure
from theta_cli.commands.compare import judged
from theta_diff.distances import Relation

Git = Callable[..., str]
Weights = dict[str, NDArray[numpy.float32]]
PATH = "model.safetensors"
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("diff", "HEAD")`` gives what the verb prints; ``code`` is the exit code it must have."""

    def call(verb: str, *arguments: str, code: int = 0) -> str:
        module = import_module(f"theta_cli.commands.{verb}")
        parser = ArgumentParser()
        module.configure(parser)
        capsys.readouterr()
        assert module.run(parser.parse_args(arguments)) == code
        return capsys.readouterr().out

    return call


def save(tensors: Weights, path: str = PATH) -> None:
    save_file(tensors, path)


@pytest.fixture
def model(begun: Begun, git: Git) -> Weights:
    """Two commits; in the second, tagged ``tuned``, the query of layer 1 moved and the head has a NaN."""
    return begun("a model and its fine-tune", lambda: commit_both(git))


def commit_both(git: Git) -> Weights:
    random = numpy.random.default_rng(0)
    names = [f"layer.{i}.{part}" for i in range(3) for part in ("key", "query")]
    tensors = {name: random.standard_normal((40, 20)).astype(numpy.float32) for name in (*names, "head")}
    save(tensors)
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    tensors["layer.1.query"] *= numpy.float32(1.5)
    tensors["head"][3, 4] = numpy.nan
    save(tensors)
    git("commit", "--quiet", "--all", "--message", "tuned")
    git("tag", "tuned")
    return tensors


def test_diff_of_commits_index_and_working_tree(model: Weights, run: Run, git: Git) -> None:
    assert run("diff") == ""
    assert "~ layer.1.query" in run("diff", "HEAD~1", "HEAD")
    assert run("diff", "HEAD~1..HEAD") == run("diff", "HEAD~1", "HEAD", PATH)
    assert run("diff", "HEAD~1", "HEAD", ".gitattributes") == ""
    model["layer.2.key"] += 1
    save(model)
    assert run("diff", "--name-only") == f"{PATH}\tlayer.2.key\n"
    assert run("diff", "--cached") == ""
    git("add", ".")
    assert run("diff") == ""
    assert run("diff", "--cached", "--name-only") == f"{PATH}\tlayer.2.key\n"
    assert run("diff", "HEAD~1", "--name-only").splitlines() == [
        f"{PATH}\t{name}" for name in ("head", "layer.1.query", "layer.2.key")
    ]


def test_an_argument_that_means_nothing_is_named(model: Weights, run: Run, git: Git) -> None:
    with pytest.raises(Failure, match="'nonsense' is no revision"):
        run("diff", "nonsense")
    git("rm", "--quiet", PATH)
    git("commit", "--quiet", "--message", "gone")
    assert "head" in run("diff", "HEAD~1", "HEAD", PATH)
    assert run("diff", PATH) == ""


def test_diff_is_an_estimate_unless_asked(model: Weights, run: Run) -> None:
    assert "≈" in run("diff", "HEAD~1", "HEAD")
    exact = run("diff", "HEAD~1", "HEAD", "--exact")
    assert "≈" not in exact
    assert "change 50 %" in exact
    assert "scaled by 1.5" in exact


def test_short_forms_of_a_diff(model: Weights, run: Run) -> None:
    counted = "2 groups modified, 5 unchanged; 1600 of 5600 parameters in modified groups"
    assert run("diff", "HEAD~1", "HEAD", "--summary").startswith(f"{PATH}: {counted}, which changed by ≈ ")
    assert len(run("diff", "HEAD~1", "HEAD", "--stat").splitlines()) == 4
    assert run("diff", "HEAD~1", "HEAD", "--format", "markdown").startswith(f"### `{PATH}`\n")
    (found,) = json.loads(run("diff", "HEAD~1", "HEAD", "--json"))["files"]
    assert [group["name"] for group in found["modified"]] == ["head", "layer.1.query"]


def test_a_diff_as_a_page(model: Weights, run: Run) -> None:
    assert run("diff", "HEAD~1", "HEAD", "--html", "page.html") == ""
    assert "<svg" in Path("page.html").read_text()


def test_rules_end_with_an_exit_code(model: Weights, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("diff", "HEAD~1", "HEAD", "--summary", "--fail-on", "inf", "--fail-on", "frozen:*key", code=0)
    run("diff", "HEAD~1", "HEAD", "--summary", "--exit-code", code=1)
    run("diff", "--summary", "--exit-code", code=0)
    run("diff", "HEAD~1", "HEAD", "--summary", "--fail-on", "nan", code=1)


def test_a_bad_rule_is_told_before_anything_is_read(model: Weights, run: Run) -> None:
    with pytest.raises(Failure, match="the rules are"):
        run("diff", "--fail-on", "nonsense")


def test_groups_that_moved_to_another_file(model: Weights, run: Run, git: Git) -> None:
    head = {"head": model.pop("head")}
    save(model)
    save(head, "head.safetensors")
    git("add", ".")
    assert f"> head.safetensors: head  moved from {PATH}" in run("diff", "--cached").splitlines()


def test_a_damaged_manifest_is_named_and_the_rest_shown(
    model: Weights, run: Run, git: Git, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = git("hash-object", "-w", "--stdin", stdin="theta 1\nnonsense\n").strip()
    git("update-index", "--add", "--cacheinfo", f"100644,{bad},bad.safetensors")
    git("update-index", "--cacheinfo", f"100644,{git('rev-parse', f'HEAD~1:{PATH}').strip()},{PATH}")
    assert "~ layer.1.query" in run("diff", "--cached", code=1)


def test_two_files_without_git(model: Weights, run: Run) -> None:
    save({"w": numpy.ones(3, numpy.float32)}, "a")
    save({"w": numpy.full(3, 2, numpy.float32)}, "b")
    assert "constant shift of +1" in run("diff", "--no-index", "a", "b")
    with pytest.raises(Failure, match="takes two files"):
        run("diff", "--no-index", "a")


def test_a_diff_without_objects(model: Weights, run: Run) -> None:
    shutil.rmtree(".git/theta/objects")
    text = run("diff", "HEAD~1", "HEAD", "--exact")
    assert "~ layer.1.query" in text
    assert "(values of 2 groups are not here; get them with: git theta fetch)" in text


def test_estimates_stand_where_values_are_not_here(model: Weights, run: Run, git: Git) -> None:
    kept = [
        line.split()[1][:64]
        for line in git("show", "HEAD~1:" + PATH, "HEAD:" + PATH).splitlines()
        if line.startswith("sketches ")
    ]
    for path in Path(".git/theta/objects").rglob("*"):
        if path.is_file() and path.name not in kept:
            path.unlink()
    text = run("diff", "HEAD~1", "HEAD", "--exact")
    assert "~ layer.1.query  F32[40,20]  " in text
    assert "change ≈ " in text
    assert "(values of 2 groups are not here; get them with: git theta fetch)" in text


def test_log_names_the_commits_that_changed_a_group(model: Weights, run: Run, git: Git) -> None:
    assert [line.split()[2] for line in run("log", PATH).splitlines()] == ["tuned", "first"]
    assert [line.split()[2] for line in run("log", PATH, "layer.0.*").splitlines()] == ["first"]
    assert "drift ≈ " in run("log", PATH, "layer.1.query", "--drift-from", "HEAD~1")
    assert "    ~ layer.1.query" in run("log", "-p", "-n1", PATH)
    (commit,) = json.loads(run("log", "--json", PATH, "head", "-n1"))["commits"]
    assert commit["subject"] == "tuned"
    assert commit["modified"][0]["nans"] == [0, 1]


@pytest.mark.parametrize("words", [["log", PATH, "no*"], ["blame", PATH, "no*"],
                                   ["compare", "--group", "no*", PATH, "HEAD", "HEAD~1"]])  # fmt: skip
def test_a_pattern_that_matches_no_group_is_told(words: list[str], model: Weights, run: Run) -> None:
    with pytest.raises(Failure, match=r"no group of model.safetensors is named like 'no\*'"):
        run(*words)


def test_blame_names_the_last_commit_of_each_group(model: Weights, run: Run, git: Git) -> None:
    tuned, first = git("log", "--format=%H").split()
    lines = run("blame", PATH).splitlines()
    assert {line.split()[5]: line.split()[0] for line in lines} == {
        "head": tuned[:10],
        "layer.{0..2}.key": first[:10],
        "layer.{0,2}.query": first[:10],
        "layer.1.query": tuned[:10],
    }
    found = json.loads(run("blame", PATH, "head", "--json"))["groups"]
    assert [(group["name"], group["subject"]) for group in found] == [("head", "tuned")]
    with pytest.raises(Failure, match="holds no nothing"):
        run("blame", "nothing")


def test_show_lists_groups_and_looks_into_one(model: Weights, run: Run) -> None:
    listed = run("show", f"HEAD:{PATH}")
    assert listed.startswith("format safetensors\n")
    assert listed.endswith("7 groups, 5600 parameters\n")
    assert "NaN 1" in listed
    look = run("show", f"HEAD:{PATH}", "head")
    assert "mean " in look
    assert "nan" in look
    assert run("show", PATH, "head") == look
    assert "NaN 0" in run("show", f"HEAD~1:{PATH}", "head")
    found = json.loads(run("show", PATH, "head", "--json"))["groups"][0]
    assert (found["nans"], found["zeros"], found["shape"]) == (1, 0, [40, 20])
    with pytest.raises(Failure, match="no group"):
        run("show", PATH, "nothing")


def test_a_path_of_a_revision_is_read_from_the_root_as_git_does_too(
    model: Weights, run: Run, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := Path("folder")).mkdir()
    monkeypatch.chdir(folder)
    assert run("show", f"HEAD:{PATH}").startswith("format safetensors\n")
    git("clone", "--quiet", "--bare", "..", str(tmp_path / "bare"))
    monkeypatch.chdir(tmp_path / "bare")
    assert run("show", f"HEAD:{PATH}").startswith("format safetensors\n")


def test_show_without_objects_tells_what_is_known(model: Weights, run: Run) -> None:
    for path in Path(".git/theta/objects").rglob("*"):
        if path.is_file() and path.stat().st_size > 2500:
            path.unlink()
    text = run("show", f"HEAD:{PATH}", "layer.0.key")
    assert "git theta fetch" in text


def test_compare_relates_branches(model: Weights, run: Run, git: Git) -> None:
    for name, step in (("up", 1), ("down", -1)):
        git("switch", "--quiet", "--create", name, "tuned")
        save(model | {"layer.0.key": model["layer.0.key"] + step})
        git("commit", "--quiet", "--all", "--message", name)
    text = run("compare", PATH, "up", "down")
    assert "1 group changed" in text
    assert text.endswith("up and down: with losses: they undo each other in part\n")
    assert "-1.00" in text
    found = json.loads(run("compare", PATH, "up", "down", "--json"))
    assert found["pairs"][0]["cosine"] == pytest.approx(-1, abs=0.01)
    assert found["pairs"][0]["both"] == 1
    with pytest.raises(Failure, match="two or more"):
        run("compare", PATH, "up")


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (Relation(0.5, 0.1, 0), "easily: no group was changed by both to other values"),
        (Relation(0.02, 0.1, 3), "well, most likely: their changes are unrelated"),
        (Relation(0.6, 0.1, 3), "well, most likely: their changes are alike"),
        (Relation(0.99, 0.1, 3), "well: they changed the same way"),
        (Relation(-0.4, 0.1, 3), "with losses: they undo each other in part"),
        (Relation(None, None, 3), "not known: sketches are not here; git theta fetch brings them"),
    ],
)
def test_how_branches_would_merge_is_said_in_words(relation: Relation, words: str) -> None:
    assert judged(relation) == words
