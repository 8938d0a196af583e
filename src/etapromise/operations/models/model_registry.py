"""A directory of models: versions, the current one, the way back, and such directories by market.

::

    models/
      2018-02-01/            a version, written once and never changed
      2018-02-08/
      current -> 2018-02-08  what programs load
      promotions.jsonl       which version became current when, why, and what it replaced
      decisions/             one JSON record for each retraining
      .lock                  held by whoever changes anything

Every change is a rename, so that a reader finds a whole model at ``current`` at any moment, also
when a writer is killed in the middle. What a killed writer leaves behind begins with a dot and is
cleared away by the next one.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from etapromise.errors import CommandError, ContractError, ModelFileError
from etapromise.files import write_json
from etapromise.locking import only_writer, sync_directory
from etapromise.promise.model import PromiseModel, load_model

if TYPE_CHECKING:
    from etapromise.history.as_of import Moment
    from etapromise.tracking.contract import Event

_CURRENT: Final = "current"
_JOURNAL: Final = "promotions.jsonl"
_DECISIONS: Final = "decisions"
_MANIFEST: Final = "manifest.json"
PROMOTING: Final = ("promoted", "forced")
"""Outcomes of decisions after which another version is current."""

_log = logging.getLogger("etapromise.operations")


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One line of the journal.

    Attributes:
        version: What became current.
        before: What was current until then, None at first.
        at: When, ISO 8601, UTC.
        why: In a few words.
        as_of: The version's moment; None in journals of before that was written.
        rolled_back: Whether the one before was left because it is not to be used.
    """

    version: str
    before: str | None
    at: str
    why: str
    as_of: str | None = None
    rolled_back: bool = False


class ModelRegistry:
    """The models in one directory: its versions, the current one, and the way back.

    Whoever changes the directory holds its `lock`: `add`, `promote`, `add_trained`, `roll_back` and
    `remove`. Reading needs none.

    Examples:
        >>> registry = etapromise.ModelRegistry("models")
        >>> registry.current in registry.versions()
        True
        >>> with registry.lock():
        ...     version = registry.add(model)
        ...     promotion = registry.promote(version, why="tried by hand")
        ...     promotion = registry.roll_back()
        >>> registry.promotions()[-1].why
        'rolled back'
    """

    def __init__(self, root: Path | str) -> None:
        """Look at ``root``, which need not be there yet."""
        self.root = Path(root)

    def versions(self) -> list[str]:
        """The names of all versions, sorted; by moment, since that is how they are named."""
        if not self.root.is_dir():
            return []
        return sorted(
            path.name
            for path in self.root.iterdir()
            if not path.is_symlink()
            and not path.name.startswith(".")
            and (path / _MANIFEST).is_file()
        )

    @property
    def current(self) -> str | None:
        """The name of the current version, None where there is none."""
        link = self.root / _CURRENT
        return link.readlink().name if link.is_symlink() else None

    def load_current(self) -> PromiseModel:
        """The current model."""
        return load_model(self.root / self._require_current())

    def current_event(self) -> Event:
        """What the current model promises, without loading it."""
        current = self._require_current()
        event: Event | None = self.manifest(current).get("event")
        if event is None:
            raise ModelFileError(
                f"Found the manifest of {self.root / current} without an event; expected what the "
                "model promises. Train it again."
            )
        return event

    def _require_current(self) -> str:
        current = self.current
        if current is None:
            raise ModelFileError(
                f"Found no current model in {self.root}; expected one. "
                "Train one with `etapromise train`."
            )
        return current

    def load(self, version: str) -> PromiseModel:
        """A version's model."""
        return load_model(self._known(version))

    def manifest(self, version: str) -> dict[str, Any]:
        """What is written about a version, without loading it."""
        path = self._known(version) / _MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"Found {path} unreadable ({error}); expected the JSON manifest of a model."
            ) from error
        return dict(manifest)

    def add(self, model: PromiseModel) -> str:
        """Write a model as a new version, without making it current.

        Returns:
            Its name: the date of its moment, or the moment where that is not midnight UTC, with a
            number behind it where that name is taken.
        """
        moment = model.as_of.astimezone(UTC)
        midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
        stem = f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%dT%H%M%SZ}"
        path = _free(self.root, stem)
        model.save(path)
        return path.name

    def promote(self, version: str, *, why: str, rolled_back: bool = False) -> Promotion:
        """Make a version the current one, in one step that a reader cannot see half of.

        Args:
            rolled_back: Whether the current one is left because it is not to be used.
        """
        self._known(version)
        link = self.root / _CURRENT
        if link.exists() and not link.is_symlink():
            raise CommandError(
                f"Found {link} to be no symbolic link; expected a link to a version. "
                "Move it away and promote again."
            )
        promotion = Promotion(
            version=version,
            before=self.current,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            why=why,
            as_of=str(self.manifest(version)["as_of"]),
            rolled_back=rolled_back,
        )
        # First the journal: a line whose version never became current is passed over later.
        self._append(promotion)
        draft = self.root / f".{_CURRENT}.{secrets.token_hex(4)}"
        draft.symlink_to(version, target_is_directory=True)
        draft.replace(link)
        sync_directory(self.root)
        return promotion

    def add_trained(self, model: PromiseModel) -> str:
        """Write a model that was trained anew, and make it current; the lock is held.

        Where meanwhile another one became current that knows more, it is kept, but not current.
        """
        version, current = self.add(model), self.current
        if current is not None:
            known = datetime.fromisoformat(str(self.manifest(current)["as_of"]))
            if known > model.as_of:
                raise CommandError(
                    f"Found {current} as of {known.isoformat()} current in {self.root}; expected "
                    f"none that knows more than the new {version}, as of "
                    f"{model.as_of.isoformat()}. It is kept, but not current: say "
                    f"`etapromise rollback --models {self.root} --to {version}` if it should be."
                )
        self.promote(version, why="trained")
        return version

    def promotions(self) -> list[Promotion]:
        """The journal, oldest first; a line cut short by a crash is left out."""
        journal = self.root / _JOURNAL
        if not journal.exists():
            return []
        found = []
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Promotion(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def roll_back(self, version: str | None = None) -> Promotion:
        """Make an earlier version current again, after checking that it still loads."""
        target = version or self.roll_back_target()
        if target is None:
            raise CommandError(
                f"Found nothing in {self.root} that was current before {self.current}; "
                f"name a version: {', '.join(self.versions()) or 'there is none'}."
            )
        self.load(target)
        return self.promote(target, why="rolled back", rolled_back=True)

    def roll_back_target(self) -> str | None:
        """The version that a roll-back would make current, None where nothing was before.

        A second roll-back goes one further, never back to what the first one left.
        """
        line: list[str] = []
        for promotion in self.promotions():
            if promotion.rolled_back and promotion.version in line:
                del line[line.index(promotion.version) + 1 :]
            else:
                line = [each for each in line if each != promotion.version] + [promotion.version]
        current = self.current
        if current in line:
            del line[line.index(current) :]
        kept = set(self.versions())
        return next((version for version in reversed(line) if version in kept), None)

    def remove(self, version: str) -> None:
        """Remove a version, in one step that a reader cannot see half of; the lock is held."""
        path = self._known(version)
        if version == self.current:
            raise CommandError(
                f"Found {version} to be the current version of {self.root}; expected another. "
                "Promote or roll back first."
            )
        draft = self.root / f".{version}.{secrets.token_hex(4)}.draft"
        path.replace(draft)
        sync_directory(self.root)
        shutil.rmtree(draft, ignore_errors=True)

    def version_at(self, as_of: Moment) -> str:
        """The version that was current at a past moment.

        By the journal: the last that had become current by then. A directory that was filled
        later than the moment, as a replay of the past does, has no such line; then it is the
        version with the latest knowledge not after the moment. No version counts that knows more
        than the moment, which is UTC where it says no zone.

        Raises:
            CommandError: no version was current then.
            ContractError: it is no moment.
        """
        from etapromise.history.as_of import moment_of  # noqa: PLC0415 — start-up time

        moment = moment_of(as_of)
        journal = [
            (self._moment_of(one), place, one) for place, one in enumerate(self.promotions())
        ]
        able = [entry for entry in journal if entry[0] is not None and entry[0] <= moment]
        told = [each for *_, each in able if datetime.fromisoformat(each.at) <= moment]
        if told:
            return told[-1].version
        if able:
            # Of those that know the latest, the one promoted last.
            return max(able, key=lambda entry: entry[:2])[2].version
        raise CommandError(
            f"Found no model in {self.root} that was current at {moment.isoformat()}; the versions "
            f"are {', '.join(self.versions()) or 'none'}. Choose a later moment."
        )

    def load_at(self, as_of: Moment) -> PromiseModel:
        """The version that was current at a past moment; see `version_at`."""
        return self.load(self.version_at(as_of))

    def record(self, decision: dict[str, Any], *, name: str) -> Path:
        """Write a decision record; a name that is taken gets a number behind it."""
        path = _free(self.root / _DECISIONS, name, ".json")
        write_json(path, decision)
        return path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one who changes the directory, as long as the process lives at most."""
        with only_writer(self.root):
            self._clear_drafts()
            self._forget_cut_off()
            yield

    def _clear_drafts(self) -> None:
        for path in self.root.glob(".*"):
            if path.name == ".lock":
                continue
            if path.name.endswith(".draft") and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_symlink() and path.name.startswith(f".{_CURRENT}."):
                path.unlink(missing_ok=True)
        for path in (self.root / _DECISIONS).glob(".*.json.*"):
            path.unlink(missing_ok=True)

    def _forget_cut_off(self) -> None:
        """Remove the record of a promotion that a killed writer decided on and did not carry out.

        Only the newest can be one, since every writer looks. Its version stays, as one that was
        never current.
        """
        records = (self.root / _DECISIONS).glob("*.json")
        newest = max(records, key=lambda path: path.stat().st_mtime_ns, default=None)
        if newest is None:
            return
        try:
            told = json.loads(newest.read_text(encoding="utf-8"))
            outcome, version = told["outcome"], (told["challenger"] or {}).get("version")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return  # not one of ours
        if outcome not in PROMOTING or version == self.current:
            return
        journal = self.promotions()
        if journal and (journal[-1].version, journal[-1].before) == (version, self.current):
            del journal[-1]  # the line was written, the link not
        if version not in {promotion.version for promotion in journal}:
            newest.unlink()
            _log.warning(
                "removed %s: it says that %s was promoted, but its writer was ended before it was",
                newest,
                version,
            )

    def _moment_of(self, promotion: Promotion) -> datetime | None:
        """The moment of a promoted version: as the journal tells, or else its manifest."""
        if promotion.as_of is not None:
            return datetime.fromisoformat(promotion.as_of)
        if (self.root / promotion.version / _MANIFEST).is_file():
            return datetime.fromisoformat(str(self.manifest(promotion.version)["as_of"]))
        return None

    def _known(self, version: str) -> Path:
        path = self.root / version
        if version not in self.versions():
            raise ModelFileError(
                f"Found no version {version!r} in {self.root}; expected one of "
                f"{', '.join(self.versions()) or 'none that there are'}."
            )
        return path

    def _append(self, promotion: Promotion) -> None:
        journal = self.root / _JOURNAL
        with journal.open("a+b") as file:
            # A line that was cut short must not swallow this one.
            ends_well = file.tell() == 0 or journal.read_bytes().endswith(b"\n")
            line = json.dumps(asdict(promotion), ensure_ascii=False)
            file.write((("" if ends_well else "\n") + line + "\n").encode())
            file.flush()
            os.fsync(file.fileno())


def _free(folder: Path, stem: str, suffix: str = "") -> Path:
    """A path of this name that is not taken, with a number behind it where it is."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}.{number}{suffix}"
    return path


Model: TypeAlias = "PromiseModel | str | Path"


def model_of(model: Model) -> PromiseModel:
    """The model, loaded where its path is given."""
    if isinstance(model, PromiseModel):
        return model
    if not isinstance(model, str | PathLike):
        raise ContractError(
            f"Found {type(model).__name__} for the model; expected a PromiseModel or its path."
        )
    return load_model(model)


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What goes and what stays, and why."""

    removed: list[str]
    kept: dict[str, str]


def markets(root: Path | str) -> dict[str, ModelRegistry]:
    """The directories of models in a directory, by name; itself is named ``.``.

    Raises:
        CommandError: there is no model in any.

    Examples:
        >>> etapromise.markets("models")["."].current is not None
        True
    """
    top = Path(root)
    found = {}
    if ModelRegistry(top).versions():
        found["."] = ModelRegistry(top)
    if top.is_dir():
        for path in sorted(top.iterdir()):
            plain = path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
            if plain and (each := ModelRegistry(path)).versions():
                found[path.name] = each
    if not found:
        raise CommandError(
            f"Found no model in {top}, nor in a directory of it; expected some. "
            "Train one with `etapromise train`."
        )
    return found


def prune(registry: ModelRegistry, *, keep: int, dry_run: bool = False) -> Pruning:
    """Remove old versions.

    There stay the current version, the one that a roll-back would go to, the one that the current
    one's trees were trained as, and the ``keep`` latest: those promoted last, then those that
    never were, by moment.

    Args:
        registry: the directory of models.
        keep: how many of the latest stay, at least one.
        dry_run: only say what would be removed.

    Raises:
        ContractError: `keep` is less than one.
        CommandError: another process changes the directory.

    Examples:
        >>> registry = etapromise.ModelRegistry("models")
        >>> etapromise.prune(registry, keep=30, dry_run=True).removed
        []
    """
    if dry_run:
        return _plan(registry, keep)
    with registry.lock():
        plan = _plan(registry, keep)
        for version in plan.removed:
            registry.remove(version)
    return plan


def _plan(registry: ModelRegistry, keep: int) -> Pruning:
    if keep < 1:
        raise ContractError(f"found keep={keep}, expected 1 or more")
    versions = registry.versions()
    current = registry.current
    kept = {} if current is None else {current: "current"}
    target = registry.roll_back_target()
    if target is not None and target in versions:
        kept.setdefault(target, "a roll-back goes there")
    if current in versions:
        trained = registry.manifest(str(current))["trained_as_of"]
        for version in versions:
            if registry.manifest(version)["as_of"] == trained:
                kept.setdefault(version, "the current one was trained as this")
    order = {promotion.version: place for place, promotion in enumerate(registry.promotions())}
    latest = sorted(versions, key=lambda version: (order.get(version, -1), version), reverse=True)
    for version in latest[:keep]:
        kept.setdefault(version, f"one of the latest {keep}")
    return Pruning(removed=[each for each in versions if each not in kept], kept=kept)
