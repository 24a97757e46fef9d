"""Dry run: what a merge of branches would do to their checkpoints, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from strategies.contract import MergeError
from theta_checkpoint.manifest import is_manifest
from theta_git.repository import Repository
from theta_merge.choosing import chosen_in_advance
from theta_merge.commits import BesideInCommits
from theta_merge.outcome import Outcome
from theta_merge.outcome import Versions
from theta_merge.outcome import outcome
from theta_merge.paths import changed_by_several
from theta_merge.side_data import side_data
from theta_merge.side_data import unfit
from theta_merge.sources import ABSENT
from theta_merge.sources import manifest_of
from theta_merge.sources import skeletons_in
from theta_merge.wishes import Wish
from theta_merge.wishes import preferred
from theta_merge.wishes import wish
from theta_store.store import Store


def dry_run(branches: Sequence[str], environment: Mapping[str, str], repository: Repository) -> dict[str, Outcome]:
    """The outcome for each checkpoint that several sides changed, by path; raises what the merge would refuse.

    One that some side deleted is left to git.
    """
    commits = tuple(repository.commit(name) for name in ("HEAD", *branches))
    base = repository.finished("merge-base", "--octopus", *commits).stdout.decode().strip()
    store = Store.at(repository.theta_dir)
    found: dict[str, Outcome] = {}
    for file in changed_by_several(base, commits, repository):
        before = repository.blob(f"{base}:{file.before}") if base else None
        blobs = [file.blob(commit, repository) for commit in commits]
        present = [blob for blob in blobs if blob]
        if len(present) < (len(blobs) if before else 2) or not any(map(is_manifest, present)):
            continue
        sides = [(manifest_of(blob, store) if blob else None) or ABSENT for blob in blobs]
        versions = Versions(manifest_of(before or b"", store), tuple(sides), skeletons_in(store))
        locate = BesideInCommits(file.after, commits, repository, store)
        try:
            found[file.after] = _outcome(versions, wish(file.after, environment, repository), locate)
        except MergeError as error:
            raise MergeError(f"{file.after}: {error}") from error
    return found


def _outcome(versions: Versions, wanted: Wish, locate: BesideInCommits) -> Outcome:
    choices, side = chosen_in_advance(wanted, versions, locate), preferred(wanted, versions)
    found = outcome(versions, choices, side)
    with side_data((group.choice for group in found.computed), len(versions.sides), locate) as data:
        unserved = unfit(found.computed, data)
    return outcome(versions, choices, side, unserved) if unserved else found
