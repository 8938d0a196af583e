"""Text as pandas 3 holds it, whatever its version and options: missing is NaN."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

# Named "str", it would make words of what is missing where the option `future.infer_string` is off.
# pandas 2.2 has the same type by the name of its storage, with no argument for what is missing.
_NAMED_BY_STORAGE: Final = pd.__version__.startswith("2.2.")
_TEXT: Any = (
    pd.StringDtype("pyarrow_numpy") if _NAMED_BY_STORAGE else pd.StringDtype(na_value=np.nan)
)

TEXT: Final[Literal["str"]] = _TEXT
"""The dtype of columns of text, for `astype` and `dtype=`."""

_TYPES: Final = {pa.string(): _TEXT, pa.large_string(): _TEXT}


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """An Arrow table (n, k) as pandas has it, its texts as `TEXT`.

    Left to itself, Arrow makes objects of texts where pandas is before 3 or its option is off.
    """
    frame: pd.DataFrame = table.to_pandas(types_mapper=_TYPES.get)
    return frame


def beginning_with(texts: pd.Series[Any], pattern: str | re.Pattern[str]) -> pd.Series[bool]:
    """(n,) which of n texts begin with a pattern; missing ones do not.

    By Python's own expressions: pandas has others, with fewer signs, in each version.
    """
    matches = re.compile(pattern).match
    return pd.Series(
        [isinstance(text, str) and matches(text) is not None for text in texts],
        index=texts.index,
        dtype=bool,
    )


def replaced(texts: pd.Series[Any], pattern: re.Pattern[str], by: str) -> pd.Series[Any]:
    """(n,) texts with what a pattern matches replaced; missing ones stay missing.

    By Python's own expressions, as `beginning_with`; of those pandas 2.2 warns.
    """
    substitute = pattern.sub
    return texts.map(lambda text: substitute(by, text), na_action="ignore").astype(TEXT)
