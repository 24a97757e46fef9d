from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from tests.conftest import Begun
from theta_diff.history import NoSuchVersion
from theta_diff.history import blamed
from theta_diff.history import blob_at
from theta_diff.history import blobs
from theta_diff.history import steps
from theta_diff.history import touched
from theta_diff.history import versions
from theta_git.repository import NoSuchCommit
from theta_git.repository import Repository

Git = Callable[..., str]
Commit = Callable[..., None]
Weights = dict[str, NDArray[numpy.float32]]
PATH = "model.safetensors"


@pytest.fixture
def history(begun: Begun, git: Git, commit: Commit, weights: Weights) -> Weights:
    """first - second (query of layer 0) - merge of side (head), which also changes layer 3."""
    return begun("with a merge", lambda: make_history(git, commit, weights))


def make_history(git: Git, commit: Commit, weights: Weights) -> Weights:
    commit(weights, "first")
    git("switch", "--quiet", "--create", "side")
    side = weights | {"head.weight": weights["head.weight"] + 1}
    commit(side, "side")
    git("switch", "--quiet", "main")
    main = weights | {"layer.0.query.weight": weights["layer.0.query.weight"] * 2}
    commit(main, "second")
    git("merge", "--quiet", "--no-commit", "--strategy", "ours", "side")
    merged = main | {"head.weight": side["head.weight"], "layer.3.query.weight": weights["layer.3.query.weight"] * 3}
    commit(merged, "merge")
    return merged


def test_every_commit_that_changed_the_file_is_a_step(history: Weights) -> None:
    found = steps(Repository(), PATH)
    assert sorted(step.commit.subject for step in found) == ["first", "merge", "second", "side"]
    assert found[0].commit.subject == "merge"
    assert len(found[0].old) == 2
    assert found[-1].commit.subject == "first"
    assert found[-1].old == (None,)
    assert len(steps(Repository(), PATH, limit=1)) == 1


def test_a_subject_of_control_characters_is_only_a_subject(
    repo: Path, git: Git, commit: Commit, weights: Weights
) -> None:
    commit(weights, "a\x01b\x1b[1m")
    (step,) = steps(Repository(), PATH)
    assert step.commit.subject == "a\x01b\x1b[1m"


def test_a_path_is_no_pattern(repo: Path, git: Git, commit: Commit, weights: Weights) -> None:
    commit(weights)
    with pytest.raises(NoSuchVersion, match="no commit of HEAD changed"):
        steps(Repository(), "*.safetensors")


def test_a_merge_touches_only_what_is_like_no_parent(history: Weights) -> None:
    found = steps(Repository(), PATH)
    known = versions(Repository(), "model.safetensors", blobs(found))
    assert touched(found[0], known) == {"layer.3.query.weight"}


def test_every_group_is_blamed_on_the_commit_that_made_it(history: Weights) -> None:
    repository = Repository()
    tip = blob_at(repository, "HEAD", PATH)
    found = steps(repository, PATH)
    commits = blamed(found, versions(repository, "model.safetensors", [tip, *blobs(found)]), tip)
    subjects = {name: commit.subject for name, commit in commits.items()}
    assert subjects.pop("head.weight") == "side"
    assert subjects.pop("layer.0.query.weight") == "second"
    assert subjects.pop("layer.3.query.weight") == "merge"
    assert set(subjects.values()) == {"first"}
    assert len(subjects) == 6


def test_a_file_is_followed_through_renames(history: Weights, git: Git) -> None:
    git("mv", PATH, "renamed.safetensors")
    git("commit", "--quiet", "--message", "rename")
    repository = Repository()
    found = steps(repository, "renamed.safetensors")
    assert {step.commit.subject for step in found} == {"rename", "merge", "second", "side", "first"}
    tip = blob_at(repository, "HEAD", "renamed.safetensors")
    known = versions(repository, "renamed.safetensors", [tip, *blobs(found)])
    assert touched(found[0], known) == set()
    assert blamed(found, known, tip)["head.weight"].subject == "side"


def test_only_matching_groups_are_kept(repo: Path, commit: Commit, weights: Weights) -> None:
    commit(weights)
    tip = blob_at(Repository(), "HEAD", PATH)
    known = versions(Repository(), "model.safetensors", [tip, None], "*query*")
    assert len(known[tip].groups) == 4
    assert known[None].groups == {}


def test_a_revision_without_the_file_is_named(empty_repo: Path, git: Git) -> None:
    with pytest.raises(NoSuchCommit, match="HEAD has no commit yet"):
        blob_at(Repository(), "HEAD", "nothing.pt")
    git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    with pytest.raises(NoSuchVersion, match=r"HEAD holds no nothing\.pt"):
        blob_at(Repository(), "HEAD", "nothing.pt")
