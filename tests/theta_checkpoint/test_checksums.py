"""Checksums that PyTorch writes."""

from __future__ import annotations

from theta_checkpoint.checksums import serialization_id


def test_the_serialization_id_of_a_real_file() -> None:
    crcs = [0xF06F813B, 0x83DCEFB7, 0xE971773F, 0x19E33D85, 0x91E79017, 0xB1C2A1A3, 0x55679ED1]
    assert serialization_id(crcs) == "05464609095398620934"


def test_the_serialization_id_of_nothing() -> None:
    assert serialization_id([]) == "0" * 20
