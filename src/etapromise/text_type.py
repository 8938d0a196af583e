"""Text as pandas holds it: `str` from pandas 3 on, its forerunner before; missing is NaN."""

from __future__ import annotations

from typing import Any, Final, Literal

import pandas as pd

__all__ = ["TEXT"]

# Before pandas 3, "str" makes words of what is missing.
_TEXT: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else pd.StringDtype("pyarrow_numpy")

TEXT: Final[Literal["str"]] = _TEXT
"""The dtype of columns of text, for `astype` and `dtype=`."""
