"""Checkpoints of a git repository, in memory: what training and evaluation code needs.

``theta.load`` reads a committed checkpoint, value by value; ``theta.open_file`` gives the whole file; ``theta.save``
commits one. None touches the working tree. Errors that the user can act on are :class:`theta.Failure`.
"""

from __future__ import annotations

from theta.loading import Loaded
from theta.loading import load
from theta.loading import open_file
from theta.saving import save
from theta_checkpoint.failure import Failure

__all__ = ["Failure", "Loaded", "load", "open_file", "save"]
