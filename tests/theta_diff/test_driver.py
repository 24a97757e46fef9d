from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.conftest import Begun

Git = Callable[..., str]
Weights = dict[str, NDArray[numpy.float32]]


def weights() -> Weights:
    random = numpy.random.default_rng(0)
    names = [f"layer.{i}.{part}.weight" for i in range(4) for part in ("query", "output")]
    return {name: random.standard_normal((16, 8)).astype(numpy.float32) for name in (*names, "head.weight")}


def save(tensors: Weights, path: str = "model.safetensors", **metadata: str) -> None:
    save_file(tensors, path, metadata=metadata or None)


def commit(git: Git, message: str = "a commit") -> None:
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


@pytest.fixture
def model(begun: Begun, git: Git) -> Weights:
    """A repository with one committed checkpoint, whose tensors are returned."""
    return begun("one model", lambda: committed(git))


def committed(git: Git) -> Weights:
    tensors = weights()
    save(tensors, epoch="3")
    commit(git)
    return tensors


def test_a_commit_with_one_layer_changed(model: Weights, git: Git) -> None:
    model["layer.2.query.weight"] *= numpy.float32(1.5)
    save(model, epoch="4")
    commit(git)
    lines = git("diff", "HEAD~1", "HEAD").splitlines()
    assert lines[0] == "diff --theta a/model.safetensors b/model.safetensors"
    assert lines[1].startswith("index ")
    assert lines[1].endswith(" 100644")
    assert lines[2] == '~ __metadata__/epoch  "3" -> "4"'
    assert lines[3].startswith("~ layer.2.query.weight  F32[16,8]  █")
    assert lines[4:] == ["1 group modified, 8 unchanged; 128 of 1152 parameters in modified groups"]


def test_like_names_are_folded(model: Weights, git: Git) -> None:
    for i in range(4):
        model[f"layer.{i}.query.weight"] += 1
    save(model)
    row = next(line for line in git("diff").splitlines() if "layer." in line)
    assert row.startswith("~ layer.{0..3}.query.weight  F32[16,8]  █")
    assert "change ≈ " in row
    assert row.endswith("(4 groups)")


def test_the_working_tree_and_the_index(model: Weights, git: Git) -> None:
    model["head.weight"][0, 0] = numpy.nan
    save(model, epoch="3")
    assert "~ head.weight  F32[16,8]" in git("diff")
    assert "NaN: 0 -> 1" in git("diff")
    assert git("diff", "--cached") == ""
    git("add", "model.safetensors")
    assert git("diff") == ""
    assert "NaN: 0 -> 1" in git("diff", "--cached")


def test_a_large_file_written_to_again_is_read_again_whatever_time_it_is_given(repo: Path, git: Git) -> None:
    model = {"embedding.weight": numpy.ones((4200, 1024), numpy.float32)}
    save(model)
    commit(git)
    model["embedding.weight"][0, 0] = 2
    save(model)
    first = git("diff")
    assert "~ embedding.weight  F32[4200,1024]" in first
    assert git("diff") == first
    path = repo / "model.safetensors"
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(numpy.float32(numpy.nan).tobytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "NaN: 0 -> 1" in git("diff")


def test_groups_added_removed_and_renamed(model: Weights, git: Git) -> None:
    model["classifier.weight"] = model.pop("head.weight")
    del model["layer.3.output.weight"]
    model["new.bias"] = numpy.zeros(2, numpy.float32)
    save(model, epoch="3")
    text = git("diff")
    assert "> classifier.weight" in text
    assert "renamed from head.weight" in text
    assert "- layer.3.output.weight" in text
    assert "+ new.bias" in text
    assert text.endswith("1 group added, 1 removed, 1 renamed, 7 unchanged\n")


def test_nan_in_what_is_new(model: Weights, git: Git) -> None:
    model["new.bias"] = numpy.array([0, numpy.nan, numpy.inf], numpy.float32)
    save(model, epoch="3")
    assert "+ new.bias  F32[3]  NaN: 1; inf: 1" in git("diff")
    git("rm", "--quiet", "--cached", "model.safetensors")
    git("commit", "--quiet", "-m", "removed")
    git("add", "model.safetensors")
    assert "NaN: 1; inf: 1" in git("diff", "--cached")


def test_a_dtype_that_fell(model: Weights, git: Git) -> None:
    halved = {name: tensor.astype(numpy.float16) for name, tensor in model.items()}
    save(halved, epoch="3")  # type: ignore[arg-type]
    lines = git("diff").splitlines()
    assert lines[2].startswith("~ the whole model cast from F32 to F16 (9 groups), change ≈ ")
    assert lines[3].startswith("9 groups modified; 1152 of 1152 parameters in modified groups, which changed by ≈ ")


def test_a_new_and_a_deleted_file(model: Weights, git: Git) -> None:
    save(model, "other.safetensors")
    git("add", "--all")
    added = git("diff", "--cached").splitlines()
    assert added[0] == "diff --theta a/other.safetensors b/other.safetensors"
    assert added[1] == "new file mode 100644"
    assert added[2].startswith("index 0000000000..")
    assert added[3] == "+ head.weight                 F32[16,8]"
    assert added[-1] == "9 groups added"
    git("rm", "--quiet", "--cached", "model.safetensors", "other.safetensors")
    assert git("diff", "--cached").splitlines()[1] == "deleted file mode 100644"


def test_a_renamed_file(model: Weights, git: Git) -> None:
    git("mv", "model.safetensors", "renamed.safetensors")
    model["head.weight"] += 1
    save(model, "renamed.safetensors", epoch="3")
    git("add", "--all")
    lines = git("diff", "--cached", "-M20").splitlines()
    assert lines[0] == "diff --theta a/model.safetensors b/renamed.safetensors"
    assert "rename from model.safetensors" in lines
    assert "rename to renamed.safetensors" in lines
    assert sum(line.startswith("index ") for line in lines) == 1
    assert any(line.startswith("~ head.weight") for line in lines)


def test_a_changed_mode(model: Weights, git: Git) -> None:
    Path("model.safetensors").chmod(0o755)
    assert git("diff").splitlines()[:3] == [
        "diff --theta a/model.safetensors b/model.safetensors",
        "old mode 100644",
        "new mode 100755",
    ]


def test_a_file_committed_before_it_was_tracked(repo: Path, git: Git) -> None:
    attributes = Path(".gitattributes").read_text()
    Path(".gitattributes").unlink()
    tensors = weights()
    save(tensors)
    commit(git)
    Path(".gitattributes").write_text(attributes)
    tensors["head.weight"] += 1
    save(tensors)
    commit(git)
    text = git("diff", "HEAD~1", "HEAD", "--", "model.safetensors")
    assert "~ head.weight" in text
    assert "8 unchanged" in text


def test_a_file_that_is_no_checkpoint(repo: Path, git: Git) -> None:
    Path("model.pt").write_bytes(b"hello")
    commit(git)
    Path("model.pt").write_bytes(b"hello, world")
    assert "~ content  U8[5] -> U8[12]" in git("diff")
    assert "opaque" not in git("diff")


def test_lazy_and_eager_smudging_show_the_same(model: Weights, git: Git) -> None:
    model["head.weight"] += 1
    save(model, epoch="9")
    commit(git)
    shown = {git("-c", f"theta.lazyDiff={mode}", "diff", "HEAD~1", "HEAD") for mode in ("auto", "always", "never")}
    assert len(shown) == 1


def test_an_alias_and_the_environment_lead_to_the_same(
    model: Weights, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    model["head.weight"] += 1
    save(model, epoch="9")
    commit(git)
    plain = git("diff", "HEAD~1", "HEAD")
    assert git("-c", "alias.d=diff HEAD~1", "d", "HEAD") == plain
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"{sys.executable} -E -P -m theta_diff.driver")
    assert git("diff", "HEAD~1", "HEAD") == plain


def test_difftool_is_given_checkpoints(model: Weights, git: Git) -> None:
    save(model, epoch="9")
    commit(git)
    theta_diff = Path(sys.executable).with_name("theta-diff")
    text = git("difftool", "--no-prompt", "--extcmd", f"{theta_diff} --color never", "HEAD~1", "HEAD")
    assert '~ __metadata__/epoch  "3" -> "9"' in text


def test_log_with_external_diff(model: Weights, git: Git) -> None:
    model["head.weight"] += 1
    save(model, epoch="3")
    commit(git)
    assert "~ head.weight" in git("log", "-p", "--ext-diff", "-1")
    assert "~ head.weight" in git("show", "--ext-diff")


def test_values_are_read_where_the_user_wants_that(model: Weights, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    model["head.weight"] *= numpy.float32(1.5)
    save(model, epoch="3")
    commit(git)
    assert "change ≈ " in git("diff", "HEAD~1", "HEAD")
    exact = git("-c", "theta.diff.exact=true", "diff", "HEAD~1", "HEAD")
    assert "change 50 %" in exact
    assert "scaled by 1.5" in exact
    monkeypatch.setenv("GIT_THETA_DIFF_EXACT", "1")
    assert git("diff", "HEAD~1", "HEAD") == exact
    assert git("theta", "diff", "HEAD~1", "HEAD") == exact
    monkeypatch.setenv("GIT_THETA_DIFF_EXACT", "0")
    assert "change ≈ " in git("-c", "theta.diff.exact=true", "diff", "HEAD~1", "HEAD")


def test_missing_sketches_leave_what_is_known(model: Weights, git: Git) -> None:
    model["head.weight"] += 1
    save(model, epoch="3")
    commit(git)
    for path in Path(".git/theta/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    text = git("diff", "HEAD~1", "HEAD")
    assert "~ head.weight  F32[16,8]  change ?" in text
    assert "1 group modified, 8 unchanged" in text
    assert "git theta fetch brings them" in text


def test_a_damaged_manifest_is_shown_as_text(model: Weights, git: Git) -> None:
    git("config", "--unset", "filter.theta.process")
    git("config", "filter.theta.clean", "cat")
    git("config", "filter.theta.smudge", "cat")
    manifest = git("show", "HEAD:model.safetensors")
    Path("model.safetensors").write_text(manifest.replace("theta 1", "theta 2").replace("value", "<<<<<<<"))
    commit(git)
    Path("model.safetensors").write_text(manifest.replace("value", ">>>>>>>"))
    commit(git)
    done = subprocess.run(["git", "diff", "HEAD~1", "HEAD"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "-theta 2" in done.stdout
    assert "theta: model.safetensors: line " in done.stderr


@pytest.fixture
def newer(model: Weights, git: Git) -> None:
    """A second commit, whose manifest a newer theta wrote."""
    text = git("show", "HEAD:model.safetensors").replace("theta 1\n", "theta 2\n", 1)
    blob = git("hash-object", "-w", "--no-filters", "--stdin", stdin=text).strip()
    git("update-index", "--cacheinfo", f"100644,{blob},model.safetensors")
    git("commit", "--quiet", "-m", "newer")


def test_a_manifest_of_a_newer_theta_is_told_apart_from_a_file_that_is_no_checkpoint(newer: None, git: Git) -> None:
    done = subprocess.run(["git", "diff", "HEAD~1", "HEAD"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "written by a newer theta; to read it, install that" in done.stderr
    assert "removed" not in done.stdout
    assert "-theta 1\n+theta 2\n" in done.stdout
    assert "written by a newer theta" in git("theta", "log", "model.safetensors")
    assert "written by a newer theta" in git("theta", "status")


def test_a_manifest_of_a_newer_theta_stays_as_it_is(newer: None, git: Git) -> None:
    git("reset", "--quiet", "--hard")
    assert Path("model.safetensors").read_text().startswith("theta 2\n")
    git("add", "--renormalize", ".")
    assert git("status", "--porcelain") == ""


def test_what_is_damaged_is_named_and_the_rest_is_shown(model: Weights, git: Git) -> None:
    model["head.weight"] = numpy.ones((400, 200), numpy.float32)
    model["tail.weight"] = numpy.ones((400, 200), numpy.float32)
    save(model)
    commit(git)
    objects = set(Path(".git/theta/objects").rglob("*"))
    model["tail.weight"] = numpy.random.default_rng(1).standard_normal((400, 200)).astype(numpy.float32)
    save(model)
    git("add", "--all")
    largest = max(set(Path(".git/theta/objects").rglob("*")) - objects, key=lambda path: path.stat().st_size)
    model["head.weight"] *= 2
    save(model)
    commit(git)
    largest.chmod(0o644)
    largest.write_bytes(largest.read_bytes()[:-100] + b"x" * 100)
    text = git("-c", "theta.diff.exact=true", "diff", "HEAD~1", "HEAD")
    assert "~ head.weight  F32[400,200]  ██████  change 100 %" in text
    assert "group tail.weight: " in text
    assert "~ tail.weight  F32[400,200]  " in text


def test_names_never_reach_the_terminal_raw(repo: Path, git: Git) -> None:
    evil = {"a\x1b[31m\nb": numpy.zeros(2, numpy.float32), "plain": numpy.ones(2, numpy.float32)}
    save(evil, "m\x1b[1m.safetensors", **{"k\x07": "v\x1b]0;x\x07"})
    git("add", "--all")
    text = git("diff", "--cached", "--", "m*")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert '"a\\u001b[31m\\nb"' in text
    assert text.startswith('diff --theta "a/m\\033[1m.safetensors"')


def test_every_coloured_line_ends_reset(model: Weights, git: Git) -> None:
    save(model, epoch="4")
    for line in git("-c", "color.diff=always", "diff").splitlines():
        assert "\x1b" not in line or line.endswith("\x1b[m")


def test_the_colours_of_the_user_are_used(model: Weights, git: Git) -> None:
    save({**model, "x": model["head.weight"] + 1}, epoch="3")
    assert "\x1b[35m+ x" in git("-c", "color.diff=always", "-c", "color.diff.new=magenta", "diff")


def driver(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-E", "-P", "-m", "theta_diff.driver", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_unmerged_path_is_named(repo: Path) -> None:
    assert driver("model.pt").stdout == "* Unmerged path model.pt\n"


def test_a_call_by_hand_is_explained(repo: Path) -> None:
    done = driver("a", "b")
    assert done.returncode == 0
    assert "theta-diff OLD NEW" in done.stderr


def test_trouble_is_told_and_git_goes_on(repo: Path) -> None:
    done = driver("m.pt", "/nonexistent/file", "1" * 40, "100644", "/dev/null", ".", ".")
    assert done.returncode == 0
    assert "/nonexistent/file" in done.stderr
    assert "the two versions differ" in done.stdout


def test_a_store_that_cannot_be_written_still_gives_a_diff(model: Weights) -> None:
    shutil.rmtree(".git/theta")
    Path(".git/theta").write_text("in the way")
    done = driver("m", "/dev/null", ".", ".", "model.safetensors", "0" * 40, "100644")
    assert "9 groups added" in done.stdout
    assert done.stderr == ""


def test_nothing_heavy_is_imported() -> None:
    program = "import sys, theta_diff.driver; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "tensorstore", "numcodecs", "rich", "sqlite3", "argparse", "concurrent"}
    assert heavy.isdisjoint(done.stdout.split())


def test_a_closed_pipe_is_no_error(model: Weights, git: Git) -> None:
    save(model, epoch="4")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(["git", "diff"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
