"""Arrays as a model's file holds them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from etapromise.stored_arrays import StoredArrays, StoredPart


def stored_part(arrays: Mapping[str, Any], file: str = "arrays.npz") -> StoredPart:
    """A file of these arrays, and nothing else."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return StoredArrays(file, content.getvalue()).part("")
