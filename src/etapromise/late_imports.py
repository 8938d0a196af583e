"""Modules that are imported while a program runs, so that a program that forks meanwhile goes on.

A child that is forked while another thread imports a module finds that module half made and locked
for ever. Whoever imports late holds `IMPORTING`, and a fork waits for it.
"""

from __future__ import annotations

import os
import threading
from typing import Final

IMPORTING: Final = threading.RLock()
"""Held by a thread while it imports."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=IMPORTING.acquire,
        after_in_parent=IMPORTING.release,
        after_in_child=IMPORTING.release,
    )
