"""The model that a server answers from: exchanged for a new one while requests go on."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from etapromise.argument_kinds import require_path
from etapromise.errors import EtapromiseError
from etapromise.promise.model import PromiseModel, load_model

_CURRENT: Final = "current"
_MANIFEST: Final = "manifest.json"


class LiveModel:
    """Watches a directory of models, or one model, and holds what is current there.

    Whoever reads `model` gets a whole model, the one before or the one after an exchange: it is
    loaded and tested beside the one in use, and then takes its place in one assignment. A model
    that does not load changes nothing.

    Attributes:
        model: None as long as none could be loaded.
        reloads: models that took another's place.
        failures: models that could not be loaded.
        error: why the latest could not; None where it could.
    """

    def __init__(self, models: str | Path) -> None:
        """Look for the first model; none is no error here, see `error`.

        Raises:
            ContractError: `models` is no path.
        """
        require_path("models", models)
        top = Path(models)
        self._path = top if (top / _MANIFEST).is_file() else top / _CURRENT
        self._seen: tuple[str, int, int] | None = None
        self._lock = threading.Lock()
        self.model: PromiseModel | None = None
        self.reloads = 0
        self.failures = 0
        self.error: str | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Look again, and load what has changed; gives back whether the model is another now."""
        with self._lock:
            seen = self._look()
            if seen == self._seen and (seen is not None or self.model is not None or self.error):
                return False
            first = self.model is None
            try:
                loaded = load_model(self._path)
            except (EtapromiseError, OSError) as error:
                self._seen = seen
                self.failures += 1
                self.error = str(error)
                return False
            # The link may have moved on meanwhile; then it is looked at again.
            self._seen = seen if self._look() == seen else None
            self.error = None
            self.reloads += not first
            self.model = loaded
            return True

    def _look(self) -> tuple[str, int, int] | None:
        try:
            found = os.stat(self._path / _MANIFEST)  # noqa: PTH116 — called once a second
            return os.path.realpath(self._path), found.st_mtime_ns, found.st_ino
        except OSError:
            return None
