"""repack --everything: a history that was stored in a bad order, written anew with better bases."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from tests.conftest import Begun
from tests.conftest import Git
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import parse
from theta_cli.commands.repack import PathsGiven
from theta_cli.fetching import ObjectsMissing
from theta_cli.main import run
from theta_git.history import NotClean
from theta_store.chains import MAX_DEPTH
from theta_store.chains import chain
from theta_store.objects import ObjectStore

FILE = "model.safetensors"


def add_as_a_clone_that_knows_no_other(git: Git, content: bytes) -> None:
    """Store a version that leans on nothing: the index has no earlier one, and the registry knows none."""
    git("rm", "--quiet", "--cached", "--ignore-unmatch", FILE)
    git("commit", "--quiet", "--allow-empty", "-m", "away")
    Path(".git/theta/known.sqlite").unlink(missing_ok=True)
    Path(FILE).write_bytes(content)
    git("add", ".")
    git("commit", "--quiet", "-m", "stored alone")


@pytest.fixture
def versions(begun: Begun, git: Git) -> list[bytes]:
    """Six near versions of a model, none of which leans on another; each is a tag, and the last is checked out."""
    return begun("six versions", lambda: commit_versions(git))


def commit_versions(git: Git) -> list[bytes]:
    random = numpy.random.default_rng(0)
    weight = random.standard_normal((200, 300)).astype("f4")
    made = []
    for number in range(6):
        noise = numpy.float32(1e-4) * random.standard_normal(weight.shape).astype("f4")
        made.append(save({"weight": weight + noise, "bias": weight[0, :40] + numpy.float32(number)}))
        add_as_a_clone_that_knows_no_other(git, made[-1])
        git("tag", f"v{number}")
    return made


def manifest(git: Git, revision: str) -> Manifest:
    return parse(git("show", f"{revision}:{FILE}").encode())


def depths(git: Git) -> list[int]:
    found = [manifest(git, f"v{number}") for number in range(6)]
    return [len(chain(one.recipes, one.groups["weight"].digest)) - 1 for one in found]


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / ".git/theta/objects").rglob("*") if path.is_file())


def forget_what_was_before(git: Git) -> None:
    for ref in git("for-each-ref", "--format=%(refname)", "refs/original").split():
        git("update-ref", "-d", ref)
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    assert run("gc", ["--grace", "0"]) == 0


def test_a_history_stored_in_a_bad_order_becomes_small(repo: Path, git: Git, versions: list[bytes]) -> None:
    assert depths(git) == [0] * 6
    before = stored_bytes(repo)
    assert run("repack", ["--everything"]) == 0
    assert git("status", "--porcelain") == ""
    assert depths(git).count(0) == 1
    assert max(depths(git)) <= MAX_DEPTH
    forget_what_was_before(git)
    assert stored_bytes(repo) < 0.75 * before
    assert run("fsck", []) == 0
    for number, content in enumerate(versions):
        git("checkout", "--quiet", f"v{number}")
        assert (repo / FILE).read_bytes() == content
        assert git("status", "--porcelain") == ""


def test_what_was_before_can_be_had_until_it_is_let_go(repo: Path, git: Git, versions: list[bytes]) -> None:
    old = git("rev-parse", "v0").strip()
    assert run("repack", ["--everything"]) == 0
    assert git("rev-parse", "refs/original/theta/tags/v0").strip() == old
    assert run("gc", ["--grace", "0"]) == 0
    git("checkout", "--quiet", old)
    assert (repo / FILE).read_bytes() == versions[0]


def test_a_second_time_there_is_nothing_to_change(
    repo: Path, git: Git, versions: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("repack", ["--everything"]) == 0
    refs = git("for-each-ref")
    assert run("repack", ["--everything"]) == 0
    assert git("for-each-ref") == refs
    assert "nothing was changed" in capsys.readouterr().out


def test_an_old_version_added_again_has_the_new_manifest(repo: Path, git: Git, versions: list[bytes]) -> None:
    assert run("repack", ["--everything"]) == 0
    (repo / FILE).write_bytes(versions[2])
    git("add", FILE)
    assert git("show", f":{FILE}") == git("show", f"v2:{FILE}")


def test_commits_keep_all_but_their_manifests(repo: Path, git: Git, versions: list[bytes]) -> None:
    facts = git("log", "--format=%an %ae %ad %cn %ce %cd %B", "--stat", "--", ".gitattributes")
    assert run("repack", ["--everything"]) == 0
    assert git("log", "--format=%an %ae %ad %cn %ce %cd %B", "--stat", "--", ".gitattributes") == facts
    assert git("ls-tree", "--name-only", "HEAD").split() == [".gitattributes", FILE]


def test_uncommitted_changes_stop_it(repo: Path, git: Git, versions: list[bytes]) -> None:
    (repo / FILE).write_bytes(versions[0])
    with pytest.raises(NotClean):
        run("repack", ["--everything"])


def test_it_is_about_all_checkpoints_at_once(repo: Path, git: Git, versions: list[bytes]) -> None:
    refs = git("for-each-ref")
    with pytest.raises(PathsGiven):
        run("repack", ["--everything", FILE])
    assert git("for-each-ref") == refs


def test_where_values_are_missing_nothing_is_changed(repo: Path, git: Git, versions: list[bytes]) -> None:
    refs = git("for-each-ref")
    one = manifest(git, "v1")
    ObjectStore(repo / ".git/theta/objects").path(one.recipes[one.groups["weight"].digest].oids[0]).unlink()
    with pytest.raises(ObjectsMissing, match="group weight"):
        run("repack", ["--everything"])
    assert git("for-each-ref") == refs
