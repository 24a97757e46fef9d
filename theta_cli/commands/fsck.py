"""`git theta fsck`."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import dataclass

from theta_checkpoint.failure import Failure
from theta_checkpoint.manifest import HEAD
from theta_checkpoint.manifest import BadManifest
from theta_checkpoint.manifest import Manifest
from theta_cli.inventory import manifests
from theta_cli.inventory import parsed
from theta_cli.inventory import tracked
from theta_cli.json_output import add_json_option
from theta_cli.json_output import print_json
from theta_git.repository import Repository
from theta_git.trees import blobs_beginning
from theta_git.trees import reachable_blobs
from theta_store.checkpoint import StoredCheckpoint
from theta_store.objects import ObjectStore
from theta_store.presence import missing_digests
from theta_store.presence import missing_text
from theta_store.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    kind: str
    """``manifest``, ``missing``, ``corrupt`` or ``not-a-manifest``"""
    path: str
    blob: str
    message: str


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--connectivity-only", action="store_true", help="see that objects are here, do not read them")
    add_json_option(parser)


def run(args: Namespace) -> int:
    """Check every manifest that a ref, a reflog or an index holds, and its objects: exit code 1 on findings."""
    repository = Repository()
    objects = Store.at(repository.theta_dir).objects
    paths = reachable_blobs(repository)
    findings = []
    count = 0
    sound: set[str] = set()
    for blob, text in blobs_beginning(repository, paths, HEAD):
        count += 1
        for kind, message in _faults(parsed(text), objects, sound, args.connectivity_only):
            findings.append(Finding(kind, paths[blob], blob, message))
    findings += _unfiltered(repository)
    if args.json:
        print_json({"manifests": count, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.kind}: {finding.path} ({finding.blob[:10]}): {finding.message}")
        print(f"{count} manifests checked, {len(findings)} findings")
    return 1 if findings else 0


def _faults(
    manifest: Manifest | BadManifest, objects: ObjectStore, sound: set[str], shallow: bool
) -> Iterator[tuple[str, str]]:
    """Kind and message of each fault; digests found ``sound`` before are not read again."""
    if isinstance(manifest, BadManifest):
        yield "manifest", str(manifest)
        return
    if text := missing_text(manifest, objects):
        yield "missing", f"not here: {text}"
    if shallow:
        return
    checkpoint = StoredCheckpoint(manifest, objects)
    digests = [(name, tensor.digest) for name, tensor in manifest.groups.items()] + [(None, manifest.skeleton)]
    done = sound | missing_digests(manifest, objects)
    for name, digest in digests:
        if digest in done:
            continue
        try:
            _read(checkpoint, name)
            sound.add(digest)
        except Failure as error:
            yield "corrupt", str(error)


def _read(checkpoint: StoredCheckpoint, name: str | None) -> None:
    """Read a group, or the skeleton where there is no name; raises if a byte is missing or wrong."""
    for _ in [checkpoint.skeleton()] if name is None else checkpoint.chunks(name):
        pass


def _unfiltered(repository: Repository) -> Iterator[Finding]:
    """Tracked files of the index that were added without the filter."""
    entries = tracked(repository)
    found = manifests(repository, (entry.index for entry in entries))
    for entry in entries:
        if entry.index and entry.index not in found:
            yield Finding(
                "not-a-manifest", entry.path, entry.index, "added without the filter; type: git add --renormalize ."
            )
