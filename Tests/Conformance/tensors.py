# SPDX-License-Identifier: GPL-3.0-or-later
"""safetensors files by way of the library, which has no numpy type for BF16."""

import ml_dtypes
import numpy as np
import safetensors
from safetensors.numpy import save

TYPES = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16), "I8": np.dtype("i1"), "U8": np.dtype("u1"),
    "I16": np.dtype("<i2"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"),
    "BOOL": np.dtype("?")}
MEDIA_TYPE = "application/vnd.safetensors"
__all__ = ["MEDIA_TYPE", "TYPES", "load", "save"]


def load(file):
    """The tensors of a file, by name."""
    return {
        name: np.frombuffer(bytes(entry["data"]), TYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in safetensors.deserialize(file)}
