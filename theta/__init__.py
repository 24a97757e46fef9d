"""Checkpoints of a git repository, in memory: what training and evaluation code needs.

``theta.load`` reads a committed checkpoint, value by value; ``theta.save`` commits one. Neither touches the
working tree. Errors that the user can act on are :class:`theta.Failure`.
"""

from __future__ import annotations

from theta.loading import Loaded
from theta.loading import load
from theta.saving import save
from theta_checkpoint.failure import Failure

__all__ = ["Failure", "Loaded", "load", "save"]
