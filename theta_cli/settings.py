"""What may be set, as data for the reference: keys of git's configuration, and variables of the environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to set, in one way or both; the environment counts first."""

    key: str | None
    variable: str | None
    meaning: str


SETTINGS = (
    Setting("theta.merge.strategy", "GIT_THETA_STRATEGY", "the strategy that settles conflicts"),
    Setting("theta.merge.options", "GIT_THETA_OPTIONS", "its options, such as density=0.5 seed=1"),
    Setting("theta.merge.recipe", "GIT_THETA_RECIPE", "a recipe; a path from the root of the working tree"),
    Setting(
        "theta.merge.values", "GIT_THETA_VALUES", "whose values to keep where both sides changed them: ours, theirs"
    ),
    Setting("theta.rerere", None, "true: settle a recurring conflict as it was settled before"),
    Setting("theta.diff.exact", "GIT_THETA_DIFF_EXACT", "true: let git diff read the values of all groups that differ"),
    Setting("theta.lazyDiff", None, "whether git diff may skip restoring checkpoints: auto, always, never"),
    Setting("theta.skipSmudge", "GIT_THETA_SKIP_SMUDGE", "true: leave manifests in the working tree"),
    Setting(None, "GIT_THETA_SKIP_PUSH", "1: push commits without objects"),
    Setting("theta.defaultRemote", None, "the place that keeps the objects of every git remote"),
    Setting("theta.remote.NAME.url", None, "a place for objects, as git theta remote add writes it"),
    Setting("theta.remote.NAME.endpoint", None, "its S3 service, if that is not Amazon's"),
    Setting("remote.NAME.thetaUrl", None, "the place for the objects of one git remote: its URL or name"),
)
