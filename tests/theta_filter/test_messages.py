from __future__ import annotations

import pytest

from theta_checkpoint.failure import Failure
from theta_filter.messages import report


def test_an_error_is_told_without_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    report("model.pt", Failure("group \x1b[2J is damaged"))
    assert capsys.readouterr().err == "theta: model.pt: group \\x1b[2J is damaged\n"


def test_an_error_of_the_system_names_the_file_without_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    report("model.pt", OSError(28, "No space left on device", "objects/ab"))
    assert capsys.readouterr().err == "theta: model.pt: objects/ab: no space left on device\n"
