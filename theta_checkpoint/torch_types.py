"""Element types as PyTorch calls them: its dtypes, and the storage classes that older files name instead."""

from __future__ import annotations

from theta_checkpoint.dtypes import DTYPES

TORCH_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
    "complex128": "C128",
}
"""dtypes of torch"""

TORCH_STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
}
"""storage classes of torch, one for each dtype that has one"""

_OTHER_STORAGES = {
    "QInt8Storage": "I8",
    "QUInt8Storage": "U8",
    "QInt32Storage": "I32",
    "UntypedStorage": "U8",
}
"""storage classes that share a dtype with another one"""


def dtype_of(torch_type: str) -> str | None:
    """The key of DTYPES for a dtype or storage class of torch; None for one that DTYPES does not list."""
    return TORCH_DTYPES.get(torch_type) or TORCH_STORAGES.get(torch_type) or _OTHER_STORAGES.get(torch_type)


def itemsize_of(torch_type: str) -> int:
    """Bytes per element of a dtype or storage class of torch; 1 for one that DTYPES does not list."""
    dtype = dtype_of(torch_type)
    return DTYPES[dtype].itemsize if dtype else 1
