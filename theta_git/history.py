"""Rewriting all of history: git-fast-export(1) through a filter into git-fast-import(1).

Blobs do not travel: the stream names them by id, and the filter puts other ids in their place.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from theta_checkpoint.failure import Failure
from theta_checkpoint.printable import counted
from theta_git.path_text import git_path
from theta_git.repository import GitFailed
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import empty_tree

BACKUP = "refs/original/theta/"
NEXT = "next: git push --force-with-lease, and have everyone clone again"
"""what the user does after a rewriting"""
ATTRIBUTES = ".gitattributes"

_REWRITTEN = ("refs/heads", "refs/tags")
_EXPORT = (
    "-c", "core.quotePath=false", "fast-export", "--branches", "--tags", "--no-data", "--reencode=no",
    "--signed-tags=strip", "--mark-tags", "--tag-of-filtered-object=rewrite",
)  # fmt: skip


_SIGNATURE = re.compile(
    rb"^(gpgsig(-sha256)? )?-----BEGIN (PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----$", re.MULTILINE
)
"""in a commit a header, in a tag the end of the message"""

_HALF_DONE = "branches have changed, and the index has not followed yet; to go on, type the same command again"


class NotClean(Failure):
    """There are changes that rewriting would make hard to follow."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewriting came to."""

    commits: int
    signed_commits: int
    """how many of what was rewritten were signed; no signature fits what they have become"""
    signed_tags: int

    def warning(self) -> str | None:
        """What was lost, in a line; None for nothing."""
        if not self.signed_commits and not self.signed_tags:
            return None
        signed = f"{counted(self.signed_commits, 'signed commit')} and {counted(self.signed_tags, 'signed tag')}"
        return f"{signed} lost their signatures, which no longer fit; the signed ones are kept at {BACKUP}*"


@dataclass(frozen=True, slots=True)
class Rules:
    """What becomes of blobs."""

    file: Callable[[str, str], str]
    """path and blob id to the id of the blob that takes its place"""
    attributes: Callable[[str | None], str] | None = None
    """the same for the ``.gitattributes`` at the root; None where a commit has none. Without it they stay"""


def check_clean(repository: Repository) -> None:
    """Raise :class:`NotClean` unless everything is committed.

    What a killed rewriting left behind the refs follows them first, but for what was changed since.
    """
    mark = _mark(repository)
    if mark.exists():
        _finish(repository, _marked_tree(repository))
        mark.write_text(_tree(repository))
    if repository.output("status", "--porcelain", "--untracked-files=no"):
        raise NotClean("there are changes that are not committed; commit them first")
    if repository.output("ls-files", "--others", "--", ATTRIBUTES):
        raise NotClean(f"{ATTRIBUTES} is not committed; first: git add {ATTRIBUTES}, and git commit")


@contextlib.contextmanager
def followed(repository: Repository) -> Iterator[None]:
    """While open, refs may change; then the index and the attributes file follow, if not now then the next time.

    Everything must have been committed before, see :func:`check_clean`. The mark stays where refs have changed and
    not all has followed; raises KeyboardInterrupt with what to type then.
    """
    before, state = _tree(repository), _state(repository)
    mark = _mark(repository)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(before)
    try:
        yield
        _finish(repository, before)
    except BaseException as error:
        if _state(repository) == state:
            _forget(repository)
        elif isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_HALF_DONE) from None
        raise
    _forget(repository)


def rewrite(repository: Repository, rules: Rules) -> Rewritten:
    """Rewrite all branches and tags. What they were stays under :data:`BACKUP`.

    The refs change at the end and together; the index follows, and no file of the working tree but the attributes.
    """
    top = Repository(repository.top)
    _check_all_follow(top)
    _back_up(top)
    signed_commits, signed_tags = _signed(top, b"tree "), _signed(top, b"object ")
    with followed(top):
        count = _rewritten(top, rules)
    return Rewritten(count, signed_commits, signed_tags)


def _check_all_follow(top: Repository) -> None:
    """Raise :class:`NotClean` where something of the history is not here, or where a branch is used elsewhere."""
    if top.line("rev-parse", "--is-shallow-repository") == "true":
        raise NotClean("this clone is shallow, and history cannot be rewritten in part; first: git fetch --unshallow")
    listed = top.output("worktree", "list", "--porcelain", "-z").decode(errors="surrogateescape")
    for worktree in listed.split("\0\0"):
        facts = dict(line.partition(" ")[::2] for line in worktree.split("\0"))
        place = facts.get("worktree", "")
        if "branch" in facts and os.path.isdir(place) and not os.path.samefile(place, top.folder):
            typed = shlex.quote(place)
            raise NotClean(f"the worktree {typed} would not follow its branch; first: git -C {typed} switch --detach")


def _signed(repository: Repository, start: bytes) -> int:
    """How many objects that begin like this, commits or tags, are signed among those of branches and tags."""
    commits = repository.output("rev-list", "--branches", "--tags").decode().split()
    objects = [*commits, *_refs(repository, "refs/tags").values()]
    return sum(bool(_SIGNATURE.search(content)) for _, content in blobs_beginning(repository, objects, start))


def _rewritten(top: Repository, rules: Rules) -> int:
    """How many commits went through the filter; what they were and are is written down for :func:`_finish`."""
    before, after = _ids_files(top)
    exporter = ["git", *_EXPORT, f"--export-marks={before}"]
    with subprocess.Popen(exporter, cwd=top.folder, stdout=subprocess.PIPE) as source:
        importer = ["git", "fast-import", "--quiet", "--force", "--done", f"--export-marks={after}"]
        with subprocess.Popen(importer, cwd=top.folder, stdin=subprocess.PIPE) as target:
            assert source.stdout
            assert target.stdin
            count = 0
            try:
                for record in _filtered(source.stdout, rules):
                    count += record.startswith(b"commit ")
                    target.stdin.write(record)
                if source.wait():
                    raise GitFailed(_EXPORT, "it failed; nothing was changed")
            except BaseException:
                target.kill()
                raise
            target.stdin.write(b"done\n")
    if target.returncode:
        raise GitFailed(("fast-import",), "it failed; nothing was changed")
    return count


def _marked(file: Path) -> dict[str, str]:
    """Object id by mark."""
    return dict(line.split() for line in file.read_text().splitlines())


def _finish(repository: Repository, before: str) -> None:
    """Let all that has not followed the refs follow them; ``before`` is the tree that HEAD had. May be done twice."""
    old, new = _ids_files(repository)
    if old.exists() and new.exists():
        _copy_notes(repository, _marked(old), _marked(new))
    _follow(repository, before)


def _copy_notes(repository: Repository, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Give the new commits the notes of those that they come from."""
    new = {oid: after[mark] for mark, oid in before.items() if mark in after}
    for ref in repository.output("for-each-ref", "--format=%(refname)", "refs/notes").decode().split():
        noted = [line.split()[1] for line in repository.output("notes", f"--ref={ref}", "list").decode().splitlines()]
        pairs = "".join(f"{oid} {new[oid]}\n" for oid in noted if oid in new)
        if pairs:
            repository.output("notes", f"--ref={ref}", "copy", "--force", "--stdin", stdin=pairs.encode())


def _back_up(repository: Repository) -> None:
    """Keep what the branches and tags are; what a killed rewriting kept of them, and they no longer hold, stays."""
    kept = _not_held(repository) if _mark(repository).exists() else set()
    names = {f"{BACKUP}{name.removeprefix('refs/')}": oid for name, oid in _refs(repository, *_REWRITTEN).items()}
    lines = "".join(f"update {name} {oid}\n" for name, oid in names.items() if name not in kept)
    repository.output("update-ref", "--stdin", stdin=lines.encode("utf-8", "surrogateescape"))


def _not_held(repository: Repository) -> set[str]:
    """The backups that are in no history of the branch or tag that they are of."""
    backups = _refs(repository, BACKUP)
    pairs = ((name, f"refs/{name.removeprefix(BACKUP)}") for name in backups)
    return {name for name, now in pairs if repository.finished("merge-base", "--is-ancestor", name, now).returncode}


def _follow(repository: Repository, before: str) -> None:
    """Let the index and the attributes files be what HEAD says, where they still are what the tree ``before`` says.

    Without a tree no ref has changed yet. Raises :class:`NotClean` where the index is neither.
    """
    if not before:
        return
    top = Repository(repository.top)
    staged, moved = _differing(top, "--cached", before), _differing(top, before, "HEAD")
    if clashes := sorted(staged & moved & _differing(top, "--cached", "HEAD")):
        raise NotClean(
            f"{git_path(clashes[0])} was staged after a rewriting that was killed; to keep that, type: git commit, "
            "and then the same command again"
        )
    stale = [path for path in sorted(moved) if is_attributes(path) and _is_untouched(top, before, path)]
    top.output("read-tree", "-m", before, "HEAD")
    for path in stale:
        _write_attributes(top, path)
    if stale:
        top.finished("update-index", "-q", "--refresh")


def is_attributes(path: str) -> bool:
    """Whether this is the attributes file of a folder."""
    return os.path.basename(path) == ATTRIBUTES


def _is_untouched(top: Repository, before: str, path: str) -> bool:
    """Whether a file is still as in the tree ``before``, which may have had none, and HEAD has one."""
    if top.blob(f"HEAD:{path}") is None:
        return False
    if top.blob(f"{before}:{path}") is None:
        return not (top.folder / path).exists()
    return not _differing(top, before, "--", f":(literal){path}")


def _write_attributes(top: Repository, path: str) -> None:
    """Put an attributes file of HEAD in its place at once: half of one would be taken for a change of the user's."""
    partial = top.folder / f"{path}.partial"
    partial.write_bytes(top.output("cat-file", "--filters", f"HEAD:{path}"))
    partial.replace(top.folder / path)


def _differing(top: Repository, *arguments: str) -> set[str]:
    """The paths in which two trees, or a tree and what is here, differ."""
    listed = top.output("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", *arguments)
    return set(os.fsdecode(listed).split("\0")) - {""}


def _tree(repository: Repository) -> str:
    """The tree of HEAD, an empty one where there is no commit yet."""
    found = repository.finished("rev-parse", "--verify", "--quiet", "HEAD^{tree}").stdout.decode().strip()
    return found or empty_tree(repository)


def _mark(repository: Repository) -> Path:
    """A file with the tree of HEAD, there from before the refs change until all has followed."""
    return repository.git_dir / "theta" / "rewriting"


def _marked_tree(repository: Repository) -> str:
    """What the mark says; raises :class:`NotClean` where that is nothing that git has."""
    mark = _mark(repository)
    tree = mark.read_bytes()
    if tree and repository.output("cat-file", "--batch-check=%(objecttype)", stdin=tree + b"\n") != b"tree\n":
        raise NotClean(
            f"{mark} is damaged, so what a rewriting that was killed left undone cannot be told; "
            "see that git status is as you want it, delete that file, and type the same command again"
        )
    return tree.decode()


def _ids_files(repository: Repository) -> tuple[Path, Path]:
    """Two files beside the mark, with the ids of commits before and after they were rewritten, by git's marks."""
    mark = _mark(repository)
    return mark.with_suffix(".before"), mark.with_suffix(".after")


def _forget(repository: Repository) -> None:
    """Take away the mark and what is beside it, once all has followed."""
    for file in (*_ids_files(repository), _mark(repository)):
        file.unlink(missing_ok=True)


def _state(repository: Repository) -> dict[str, str]:
    """What rewriting changes: the branches, the tags, and HEAD where it is on none."""
    return {**_refs(repository, *_REWRITTEN), "HEAD": _tree(repository)}


def _refs(repository: Repository, *below: str) -> dict[str, str]:
    listed = repository.output("for-each-ref", "--format=%(objectname) %(refname)", *below)
    pairs = (line.split(" ", 1) for line in listed.decode(errors="surrogateescape").splitlines())
    return {name: oid for oid, name in pairs}


def _filtered(stream: IO[bytes], rules: Rules) -> Iterator[bytes]:
    """The records of the stream, as the rules change them; each first commit gets attributes if it has none."""
    lacks_attributes = is_tag = False
    for line in stream:
        if line.startswith(b"data "):
            data = stream.read(int(line[5:]))
            yield _data(_unsigned(data) if is_tag else data)
            continue
        is_tag = line.startswith(b"tag ") or (is_tag and not line.startswith((b"commit ", b"reset ")))
        if line.startswith(b"commit "):
            lacks_attributes = rules.attributes is not None
        elif line.startswith(b"from ") or (line.startswith(b"M ") and _path(line.split(b" ", 3)[3]) == ATTRIBUTES):
            lacks_attributes = False
        elif line == b"\n" and lacks_attributes and rules.attributes:
            yield _attributes_line(rules.attributes(None))
            lacks_attributes = False
        yield _changed(line, rules)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b" % (len(content), content)


def _unsigned(message: bytes) -> bytes:
    """A tag's message without its signature: git itself strips only those of PGP."""
    signature = _SIGNATURE.search(message)
    return message[: signature.start()] if signature else message


def _changed(line: bytes, rules: Rules) -> bytes:
    """One line, a file change with another blob in its place."""
    if line.startswith(b"D "):
        return _attributes_line(rules.attributes(None)) if rules.attributes and _path(line[2:]) == ATTRIBUTES else line
    if not line.startswith((b"M 100644 ", b"M 100755 ")):
        return line
    kind, mode, blob, rest = line.split(b" ", 3)
    path = _path(rest)
    if path == ATTRIBUTES and rules.attributes:
        return _attributes_line(rules.attributes(blob.decode()))
    return b" ".join((kind, mode, rules.file(path, blob.decode()).encode(), rest))


def _attributes_line(blob: str) -> bytes:
    return f"M 100644 {blob} {ATTRIBUTES}\n".encode()


def _path(text: bytes) -> str:
    text = text.rstrip(b"\n")
    return os.fsdecode(codecs.escape_decode(text[1:-1])[0] if text.startswith(b'"') else text)
