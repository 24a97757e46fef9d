"""Reports: what a merge tells on the terminal. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from theta_checkpoint.printable import printable
from theta_merge.decide import Decision
from theta_merge.decide import Open
from theta_merge.decide import described_state
from theta_merge.decide import side_name
from theta_merge.merged_values import sides_text
from theta_merge.outcome import BASE
from theta_merge.outcome import Computed
from theta_merge.outcome import Outcome
from theta_merge.settle import Settled

LISTED = 10
"""conflicts named one by one"""


def conflict_report(path: str, result: Settled, total: int) -> Iterator[str]:
    """One line per fact about a merged checkpoint: values that gave way, open conflicts, what to type."""
    for note in result.notes:
        yield f"{path}: {printable(note)}"
    if not result.open:
        return
    found = counted([item.conflict for item in result.open], total)
    yield f"{path}: {found} in conflict; ours kept for them, all else is merged"
    yield from listed(result.open)
    command = f"git theta resolve {shlex.quote(path)} --strategy NAME"
    yield f"resolve with: {command}  (or -i: a menu; list: git theta strategies)"


def listed(items: Sequence[Open]) -> Iterator[str]:
    """The first conflicts, one by one."""
    for item in items[:LISTED]:
        yield f"    {described_conflict(item)}"
    if len(items) > LISTED:
        yield f"    ... and {len(items) - LISTED} more"


def counted(conflicts: Collection[Decision], total: int | None = None) -> str:
    """``2 of 8 parameter groups and 1 value``, as far as there are any; ``total`` are the groups of the checkpoint."""
    values = sum(conflict.is_value for conflict in conflicts)
    groups = len(conflicts) - values
    share = f"{groups} of {total}" if total is not None else str(groups)
    counts = [f"{share} parameter group{'' if (total or groups) == 1 else 's'}"] if groups or not values else []
    return " and ".join([*counts, *([f"{values} value{'' if values == 1 else 's'}"] if values else [])])


def described_conflict(item: Open) -> str:
    """One conflict in one line."""
    conflict = item.conflict
    why = f" ({item.why})" if item.why else ""
    return printable(f"{conflict.name}: {what_happened(conflict)}{why}")


def what_happened(conflict: Decision) -> str:
    """What each side did: ``both changed F32[2,3]``, or side by side where they did different things."""
    if conflict.is_value:
        return f"a value: {sides_text(conflict)}"
    states = dict.fromkeys(described_state(conflict.sides[side]) for side in conflict.changed)
    if conflict.kind == "changed-deleted":
        deleted = next(side for side in conflict.changed if conflict.sides[side] is None)
        changed = next(side for side in conflict.changed if conflict.sides[side] is not None)
        return f"{side_name(changed)} changed it, {side_name(deleted)} deleted it"
    verb = "added" if conflict.kind == "both-added" else "changed"
    who = "both" if len(conflict.changed) == 2 else f"{len(conflict.changed)} sides"
    if len(states) == 1:
        return f"{who} {verb} {next(iter(states))}"
    return f"{who} {verb} it: {each_side(conflict)}"


def each_side(conflict: Decision) -> str:
    """What each side that changed it made of it: ``ours F32[5,64], theirs F32[6,64]``."""
    return ", ".join(f"{side_name(side)} {described_state(conflict.sides[side])}" for side in conflict.changed)


def outcome_summary(wanted: Outcome) -> str:
    """One line: ``194 groups: 160 unchanged, 2 from theirs, 32 by average``."""
    counts = Counter(_origin(wanted, decision) for decision in wanted.versions.decisions)
    total = sum(counts.values())
    parts = ", ".join(f"{count} {origin}" for origin, count in counts.most_common())
    values = sum(item.conflict.is_value for item in wanted.open)
    more = f"; {values} value{'' if values == 1 else 's'} in conflict" if values else ""
    return f"{total} parameter group{'' if total == 1 else 's'}: {parts}{more}"


def _origin(wanted: Outcome, decision: Decision) -> str:
    if any(item.conflict.name == decision.name for item in wanted.open):
        return "in conflict"
    if decision.kind == "unchanged":
        return "unchanged"
    group = wanted.groups[decision.name]
    if isinstance(group, Computed):
        return f"by {group.choice.strategy.name}"
    return "as in base" if group.version == BASE else f"from {side_name(group.version)}"


def outcome_json(wanted: Outcome) -> dict[str, object]:
    """The whole outcome as JSON writes it."""
    return {
        "groups": [
            {**decision.as_json(), "result": _origin(wanted, decision)} for decision in wanted.versions.decisions
        ],
        "values": [decision.as_json() for decision in wanted.versions.value_decisions],
        "file": "new" if wanted.frame.side is None else side_name(wanted.frame.side),
        "notes": list(wanted.notes),
        "conflicts": [
            {"name": item.conflict.name, "kind": item.conflict.kind, "why": item.why} for item in wanted.open
        ],
    }
