from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from theta_diff.files import main


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.safetensors"
    random = numpy.random.default_rng(0)
    tensors = {f"layer.{i}.weight": random.standard_normal((200, 64)).astype(numpy.float32) for i in range(3)}
    save_file(tensors | {"bias": numpy.zeros(4, numpy.float32)}, path, metadata={"epoch": "3"})
    return path


@pytest.fixture
def new(old: Path, tmp_path: Path) -> Path:
    from safetensors.numpy import load_file

    path = tmp_path / "new.safetensors"
    tensors = load_file(old)
    tensors["layer.1.weight"][7] += 1
    tensors["head"] = tensors.pop("bias")
    tensors["extra"] = numpy.array([1, 2, 3])
    save_file(tensors, path, metadata={"epoch": "4"})
    return path


def test_two_equal_files(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), str(old)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_the_difference_is_exact(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), str(new)]) == 1
    text = capsys.readouterr().out
    assert "≈" not in text
    assert "max |Δ| 1" in text
    assert "1 of 200 rows" in text
    assert "renamed from bias" in text
    assert text.endswith(
        "1 group modified, 1 added, 1 renamed, 2 unchanged; 12.8 k of 38.4 k parameters in modified groups\n"
    )


def test_json_has_the_promised_keys(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), str(new), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "version"
    assert found["version"] == 1
    assert [tensor["name"] for tensor in found["added"]] == ["extra"]
    assert found["removed"] == []
    assert found["unchanged"] == 2
    assert found["values"] == [{"name": "__metadata__/epoch", "old": "3", "new": "4"}]
    (modified,) = found["modified"]
    assert modified["name"] == "layer.1.weight"
    assert modified["old"] == modified["new"] == {"dtype": "F32", "shape": [200, 64]}
    assert modified["max_abs"] == pytest.approx(1)
    assert 0 < modified["relative_change"] < 1
    assert 0 < modified["cosine"] < 1
    assert modified["estimated"] is False
    assert modified["statistics"]["changed_rows"] == 1


def test_json_stays_valid_with_nan_and_infinities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"w": numpy.zeros(2, numpy.float32)}, tmp_path / "a.safetensors")
    save_file({"w": numpy.array([numpy.nan, numpy.inf], numpy.float32)}, tmp_path / "b.safetensors")
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), "--json"]) == 1
    text = capsys.readouterr().out
    assert "NaN" not in text
    assert "Infinity" not in text
    (modified,) = json.loads(text)["modified"]
    assert modified["nans"] == [0, 1]
    assert modified["infinities"] == [0, 1]
    assert modified["relative_change"] is None


def test_nan_in_what_is_new_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zeros, wild = numpy.zeros(2, numpy.float32), numpy.array([numpy.nan, numpy.inf], numpy.float32)
    save_file({"w": zeros}, tmp_path / "a.safetensors")
    save_file({"w": zeros, "more": wild}, tmp_path / "b.safetensors")
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), "--fail-on", "nan"]) == 1
    assert "more NaN: 0 -> 1" in capsys.readouterr().err
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), "--json"]) == 1
    (added,) = json.loads(capsys.readouterr().out)["added"]
    assert (added["nans"], added["infinities"]) == (1, 1)


def test_a_file_that_is_not_there(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), "/nonexistent.pt"]) == 2
    assert "/nonexistent.pt" in capsys.readouterr().err


def test_files_of_no_known_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"hello")
    two.write_bytes(b"world")
    assert main([str(one), str(two)]) == 1
    text = capsys.readouterr().out
    assert "~ content  U8[5]" in text
    assert "not a checkpoint format that theta knows" in text
    assert "change" not in text
    assert main([str(one), str(two), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["modified"][0]["relative_change"] is None


def test_with_rules_only_a_broken_rule_is_a_failure(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), str(new), "--summary", "--fail-on", "nan"]) == 0
    assert main([str(old), str(new), "--summary", "--fail-on", "max_abs>0.5"]) == 1
    assert "layer.1.weight max_abs 1 (--fail-on 'max_abs>0.5')" in capsys.readouterr().err


def test_wrong_usage_is_trouble() -> None:
    with pytest.raises(SystemExit) as exit:
        main(["one"])
    assert exit.value.code == 2
