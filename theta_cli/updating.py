"""Updates of committed checkpoints, for `git theta add --update-type`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from theta_checkpoint.failure import Failure
from theta_checkpoint.layout import Alias
from theta_checkpoint.manifest import Manifest
from theta_checkpoint.manifest import Tensor
from theta_checkpoint.manifest import is_manifest
from theta_checkpoint.manifest import parse
from theta_cli import adapters
from theta_cli import update_files
from theta_cli.update_files import Groups
from theta_git.commits import written_blob
from theta_git.repository import Repository
from theta_store.store import Store
from theta_store.updates import BadUpdate
from theta_store.updates import Update
from theta_store.updates import updated


class CannotUpdate(Failure):
    """There is nothing that could be updated, or something would be lost."""


def update(repository: Repository, paths: Sequence[str], kind: str, data: Path) -> int:
    """Update a checkpoint, in one file or in several, in the index and in the working tree; the number of groups.

    Nothing is changed unless all of the update fits. Raises :class:`CannotUpdate`, :class:`BadUpdate`, OSError.
    """
    before = {path: _committed(repository, path) for path in paths}
    store = Store.at(repository.theta_dir)
    try:
        groups = _groups(before)
        steps = _steps(kind, data, groups)
        if unknown := sorted({*chain(*steps)} - groups.keys()):
            raise BadUpdate(f"the checkpoint has no group {unknown[0]}")
        if not any(steps):
            raise BadUpdate(f"{data} has no update in it")
        after = {path: _after(manifest, steps, store) for path, manifest in before.items()}
    except BadUpdate as error:
        names = shlex.join(paths)
        raise BadUpdate(
            f"{names}: {error}. Nothing was changed. To see the groups, type: git theta show {shlex.quote(paths[0])}; "
            f"or apply the update with other tools, and then type: git add {names}"
        ) from error
    _check_out(repository, {path: bytes(after[path]) for path in before if after[path] != before[path]})
    return len({*chain(*steps)})


def _committed(repository: Repository, path: str) -> Manifest:
    """The checkpoint of the last commit, if the working tree has no other one."""
    content = repository.blob(f"HEAD:./{os.path.relpath(path)}")
    if not content or not is_manifest(content):
        raise CannotUpdate(f"{path} is no checkpoint of the last commit; first: git theta add {path}, and git commit")
    if os.path.lexists(path) and repository.finished("diff", "--quiet", "--no-ext-diff", "HEAD", "--", path).returncode:
        raise CannotUpdate(f"{path} has changes that are not committed; the update would overwrite them")
    return parse(content)


def _groups(manifests: Mapping[str, Manifest]) -> Groups:
    """The groups of all files by name, tied ones too."""
    groups: dict[str, Tensor | Alias] = {}
    for path, manifest in manifests.items():
        if twice := sorted(groups.keys() & (manifest.groups.keys() | manifest.aliases.keys())):
            raise BadUpdate(f"group {twice[0]} is in {path} and in a file before it; update one after the other")
        groups |= {**manifest.groups, **manifest.aliases}
    return groups


def _steps(kind: str, data: Path, groups: Groups) -> list[dict[str, Update]]:
    """Updates by group, each for what the ones before it give."""
    if kind in adapters.KINDS and (data.is_dir() or kind not in update_files.KINDS):
        return adapters.updates_in(data, kind, groups)
    return [update_files.updates_in(data, kind, groups)]


def _after(manifest: Manifest, steps: Sequence[Mapping[str, Update]], store: Store) -> Manifest:
    for step in steps:
        own = {name: one for name, one in step.items() if name in manifest.groups or name in manifest.aliases}
        manifest = updated(manifest, own, store) if own else manifest
    return manifest


def _check_out(repository: Repository, files: Mapping[str, bytes]) -> None:
    """Put manifests into the index, and have git write the files that they stand for."""
    top = Repository(repository.top)
    names = {os.path.relpath(os.path.abspath(path), os.path.realpath(repository.top)): path for path in files}
    for name, path in names.items():
        mode = top.line("ls-tree", "HEAD", "--", name).split()[0]
        top.output("update-index", "--cacheinfo", f"{mode},{written_blob(top, files[path])},{name}")
    if names:
        top.output("checkout-index", "--force", "--index", "--", *names)
