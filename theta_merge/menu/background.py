"""Work beside the menu, which stays usable: in a thread that nobody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from theta_merge.menu.preview import Tell


class _Stopped(Exception):
    """Nobody wants to know any more."""


class Background:
    """At most one piece of work at a time: a new one ends what runs."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End what runs, at the latest when it would tell something."""
        self._stopped.set()

    def start(self, work: Callable[[Tell], str], show: Callable[[str], None]) -> None:
        """Show what the work tells, and in the end what it returns or why it failed."""
        self.stop()
        stopped = self._stopped = threading.Event()
        loop = asyncio.get_running_loop()

        def show_if_wanted(text: str) -> None:
            if not stopped.is_set():
                show(text)

        def tell(text: str) -> None:
            if stopped.is_set():
                raise _Stopped
            with contextlib.suppress(RuntimeError):  # the menu has just been left
                loop.call_soon_threadsafe(show_if_wanted, text)

        def run() -> None:
            with contextlib.suppress(_Stopped):
                tell(_told(work, tell))

        threading.Thread(target=run, daemon=True).start()


def _told(work: Callable[[Tell], str], tell: Tell) -> str:
    """What the work returns, or why it failed."""
    try:
        return work(tell)
    except _Stopped:
        raise
    except Exception as error:
        return str(error)
