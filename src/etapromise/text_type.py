"""Text as pandas 3 holds it, whatever its options: missing is NaN."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import pandas as pd

__all__ = ["TEXT"]

# Named "str", it would make words of what is missing where the option `future.infer_string` is off.
_TEXT: Any = pd.StringDtype(na_value=np.nan)

TEXT: Final[Literal["str"]] = _TEXT
"""The dtype of columns of text, for `astype` and `dtype=`."""
