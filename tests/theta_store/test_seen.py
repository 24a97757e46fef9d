from __future__ import annotations

import os
from pathlib import Path

from theta_store.seen import is_settled
from theta_store.seen import state


def with_change_at(path: Path, nanoseconds: int) -> os.stat_result:
    """The status of a file that was last written to at this time."""
    status = path.stat()
    return os.stat_result(
        tuple(status), {"st_ctime_ns": nanoseconds, "st_mtime_ns": status.st_mtime_ns, "st_atime_ns": 0}
    )


def test_a_file_last_written_before_now_is_settled_and_one_of_this_moment_is_not(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"values")
    changed = path.stat().st_ctime_ns
    assert is_settled(with_change_at(path, changed - 1), tmp_path / "new folder")
    assert not is_settled(with_change_at(path, changed + 3600 * 10**9), tmp_path)


def test_a_file_elsewhere_or_beside_a_folder_that_cannot_be_written_is_not(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"values")
    assert not is_settled(Path("/proc/self/status").stat(), tmp_path)
    assert not is_settled(with_change_at(path, 0), path)


def test_any_change_gives_another_state(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"values")
    (tmp_path / "twin.pt").write_bytes(b"values")
    status = path.stat()
    states = {state(status), state((tmp_path / "twin.pt").stat()), state(with_change_at(path, status.st_ctime_ns + 1))}
    path.write_bytes(b"valu")
    assert len({*states, state(path.stat())}) == 4
