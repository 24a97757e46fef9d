"""The filter's memory: freed chunks are used again, and no other C library is in its way."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from theta_filter import allocator

_CHUNKS_AGAIN = """
import resource
from theta_filter.allocator import keep_what_is_freed
from theta_store.chunks import MAX_CHUNK
keep_what_is_freed()
for number in range(21):
    chunks = [b"a" * MAX_CHUNK for _ in range(3)]
    del chunks
    if not number:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / MAX_CHUNK)
"""
"""tells how many chunks of new pages the last twenty times took"""


def test_freed_chunks_are_used_again() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library decides by itself")
    done = subprocess.run([sys.executable, "-c", _CHUNKS_AGAIN], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3


def test_a_c_library_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocator.keep_what_is_freed()
