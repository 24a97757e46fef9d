"""The engine: what computes, imported when it is needed, since torch takes most of a second."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from theta_merge.side_data import Beside
from theta_merge.side_data import Nothing
from theta_merge.side_data import SideData
from theta_store.checkpoint import Checkpoint

if TYPE_CHECKING:
    from theta_merge.compute import Computer

_NOTHING = Nothing()


def computer(checkpoints: Sequence[Checkpoint | None], data: SideData, beside: Beside = _NOTHING) -> Computer:
    """What computes groups of these checkpoints, one per side and base last."""
    load()
    from theta_merge.compute import Computer
    from theta_merge.reading import Reader

    return Computer(Reader(checkpoints), data, beside)


def load() -> None:
    """Import the engine, if it is not, without collecting garbage: torch makes half a million objects that stay.

    Looking through them again and again, and once more at exit, takes as long as all the rest of the import. It is
    best done by the main thread: the memory of others grows by a page at a time.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import theta_merge.compute  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
