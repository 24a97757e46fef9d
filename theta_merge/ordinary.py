"""Two commits merged by git's own default merge, without a working tree, then put into it.

``git merge-tree`` runs the same code as ``git merge`` does (renames, drivers, attributes). It works out the
merge base itself, so where git asks for another one (cherry-pick, rebase) the merge is between stand-ins:
commits with the same trees whose parent is that base.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from theta_checkpoint.failure import Failure
from theta_git.commits import written_blob
from theta_git.own_index import own_index
from theta_git.repository import Repository


class CannotMergeTrees(Failure):
    """git could not merge at all; nothing was touched."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two commits to merge, and their bases as git gave them."""

    bases: tuple[str, ...]
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One version of a conflicted path."""

    mode: str
    oid: str
    number: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What git tells of a merge."""

    paths: tuple[bytes, ...]
    """what it is about"""
    text: str


@dataclass(frozen=True, slots=True)
class MergedTree:
    """What a merge gives, before the working tree is touched."""

    oid: str
    conflicts: tuple[Stage, ...]
    messages: tuple[Message, ...]


def merged_tree(pair: Pair, environment: Mapping[str, str], repository: Repository) -> MergedTree:
    """The merge of two commits as objects; raises :class:`CannotMergeTrees`."""
    labels = ("HEAD", label(pair.theirs, environment))
    names = _comparable(pair, labels, repository)
    done = subprocess.run(
        ["git", "merge-tree", "--write-tree", "-z", "--messages", "--allow-unrelated-histories", *names],
        cwd=repository.folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise CannotMergeTrees(f"git merge-tree failed with exit code {done.returncode}; nothing was merged")
    tree = _parsed(done.stdout)
    renamed = {old: new for old, new in zip(names, labels, strict=True) if old != new}
    return _relabelled(tree, renamed, repository) if renamed and tree.conflicts else tree


def merged_with_options(
    pair: Pair, options: Sequence[str], environment: Mapping[str, str], repository: Repository
) -> int:
    """Merge into index and working tree with options that ``git merge-tree`` does not take; git's own exit code."""
    arguments = ["git", "merge-recursive", *options, *pair.bases, "--", pair.ours, pair.theirs]
    return subprocess.run(arguments, cwd=repository.folder, env=dict(environment), check=False).returncode


def put_into_working_tree(tree: MergedTree, head: str, repository: Repository) -> None:
    """Make index and working tree what the merge gives; refuses where local changes would be lost."""
    done = repository.finished("read-tree", "-m", "-u", f"{head}^{{tree}}", tree.oid)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        raise CannotMergeTrees(f"{why}\nPlease commit your changes or stash them before you merge.")
    if tree.conflicts:
        repository.output("update-index", "-z", "--index-info", stdin=b"".join(_index_lines(tree)))
        (repository.git_dir / "AUTO_MERGE").write_text(f"{tree.oid}\n")


def label(commit: str, environment: Mapping[str, str]) -> str:
    """How conflict markers name theirs: what the user typed, as git passes it on."""
    return environment.get(f"GITHEAD_{commit}", commit)


def _comparable(pair: Pair, labels: tuple[str, str], repository: Repository) -> tuple[str, str]:
    """Names of two commits whose merge base is the one asked for; the labels themselves if they will do."""
    found = repository.finished("merge-base", "--all", pair.ours, pair.theirs).stdout.decode().split()
    if set(found) != set(pair.bases):
        return _stand_ins(pair, repository)
    named = repository.finished("rev-parse", "--verify", "-q", f"{labels[1]}^{{commit}}").stdout.decode().strip()
    actual = repository.line("rev-parse", f"{pair.theirs}^{{commit}}")
    ours = "HEAD" if pair.ours == "HEAD" else pair.ours
    return ours, labels[1] if named == actual else pair.theirs


def _stand_ins(pair: Pair, repository: Repository) -> tuple[str, str]:
    parents = [argument for base in pair.bases for argument in ("-p", _commit(base, [], repository))]
    return _commit(pair.ours, parents, repository), _commit(pair.theirs, parents, repository)


def _commit(tree: str, parents: list[str], repository: Repository) -> str:
    identity = ("-c", "user.name=theta", "-c", "user.email=theta")
    return repository.line(*identity, "commit-tree", "-m", "stand-in", *parents, f"{tree}^{{tree}}")


def _parsed(output: bytes) -> MergedTree:
    """The answer of ``git merge-tree -z``: tree, conflicted stages, an empty field, messages."""
    fields = iter(output.split(b"\0"))
    oid = next(fields).decode()
    return MergedTree(oid, tuple(_stages(fields)), tuple(_messages(fields)))


def _stages(fields: Iterator[bytes]) -> Iterator[Stage]:
    for field in fields:
        if not field:
            return
        head, _, path = field.partition(b"\t")
        mode, oid, number = head.decode().split()
        yield Stage(mode, oid, number, path)


def _messages(fields: Iterator[bytes]) -> Iterator[Message]:
    for field in fields:
        if not field:
            return
        paths = tuple(next(fields) for _ in range(int(field)))
        next(fields)
        yield Message(paths, next(fields).decode(errors="surrogateescape").rstrip("\n"))


def _index_lines(tree: MergedTree) -> Iterator[bytes]:
    for path in dict.fromkeys(stage.path for stage in tree.conflicts):
        yield b"0 " + b"0" * len(tree.oid) + b"\t" + path + b"\0"
    for stage in tree.conflicts:
        yield f"{stage.mode} {stage.oid} {stage.number}\t".encode() + stage.path + b"\0"


def _relabelled(tree: MergedTree, renamed: Mapping[str, str], repository: Repository) -> MergedTree:
    """The tree with conflict markers that name what the user knows instead of stand-ins."""
    with own_index(repository, tree.oid) as apart:
        for path in dict.fromkeys(stage.path for stage in tree.conflicts):
            _relabel(path, renamed, apart)
        oid = apart.line("write-tree")
    messages = (replace(message, text=_replaced(message.text, renamed)) for message in tree.messages)
    return replace(tree, oid=oid, messages=tuple(messages))


def _relabel(path: bytes, renamed: Mapping[str, str], apart: Repository) -> None:
    name = os.fsdecode(path)
    entry = apart.output("ls-files", "-s", "-z", "--", f":(literal,top){name}")
    if not entry:
        return
    mode, oid, _ = entry.partition(b"\t")[0].decode().split()
    content = apart.blob(oid)
    if content is None:
        return
    changed = content
    for old, new in renamed.items():
        for marker in (b"<" * 7, b">" * 7):
            changed = changed.replace(marker + b" " + old.encode(), marker + b" " + os.fsencode(new))
    if changed != content:
        apart.output("update-index", "--cacheinfo", f"{mode},{written_blob(apart, changed)},{name}")


def _replaced(text: str, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        text = text.replace(old, new)
    return text
