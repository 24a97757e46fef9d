"""Element types, spelled as safetensors spells them.

One table serves every format, the manifest, the encodings and the messages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DType:
    """One element type."""

    name: str
    """safetensors spelling, e.g. ``BF16``"""
    itemsize: int
    """bytes per element"""
    kind: str
    """``float``, ``int``, ``bool`` or ``complex``"""
    numpy: str
    """name of the numpy (or ml_dtypes) type that holds it"""


DTYPES: dict[str, DType] = {
    dtype.name: dtype
    for dtype in (
        DType("F64", 8, "float", "float64"),
        DType("F32", 4, "float", "float32"),
        DType("F16", 2, "float", "float16"),
        DType("BF16", 2, "float", "bfloat16"),
        DType("F8_E4M3", 1, "float", "float8_e4m3fn"),
        DType("F8_E5M2", 1, "float", "float8_e5m2"),
        DType("F8_E4M3FNUZ", 1, "float", "float8_e4m3fnuz"),
        DType("F8_E5M2FNUZ", 1, "float", "float8_e5m2fnuz"),
        DType("F8_E8M0", 1, "float", "float8_e8m0fnu"),
        DType("I64", 8, "int", "int64"),
        DType("I32", 4, "int", "int32"),
        DType("I16", 2, "int", "int16"),
        DType("I8", 1, "int", "int8"),
        DType("U64", 8, "int", "uint64"),
        DType("U32", 4, "int", "uint32"),
        DType("U16", 2, "int", "uint16"),
        DType("U8", 1, "int", "uint8"),
        DType("BOOL", 1, "bool", "bool"),
        DType("C64", 8, "complex", "complex64"),
        DType("C128", 16, "complex", "complex128"),
    )
}
