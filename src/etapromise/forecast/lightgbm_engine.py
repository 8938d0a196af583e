"""LightGBM, imported so that its threads wait politely and a missing OpenMP says what to do."""

from __future__ import annotations

import os

from etapromise.native import NativeLibraryError

__all__ = ["lightgbm"]

# OpenMP's threads spin while they wait for each other. On a machine with other work to do, they
# then take the processor from the one they wait for: fitting with two threads on two busy cores
# took five times as long as with this. OpenMP reads the setting once, when it is loaded; a setting
# of the user's own stays as it is, and nothing that the process starts later sees ours.
_POLICY = "OMP_WAIT_POLICY"
_theirs = os.environ.get(_POLICY)
os.environ.setdefault(_POLICY, "PASSIVE")
try:
    import lightgbm
except OSError as error:
    raise NativeLibraryError(
        f"LightGBM, which grows the trees, does not load: {error}. It needs the OpenMP run-time "
        "library: install libgomp (Debian and Ubuntu: `apt-get install libgomp1`; macOS: `brew "
        "install libomp`). Quotes and scoring with a trained model do without."
    ) from error
finally:
    if _theirs is None:
        del os.environ[_POLICY]
