"""How a model is trained, and its settings by name, as `--set` and a search give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from etapromise.argument_kinds import require_at_least
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.forecast.boosting import BoostingConfig
from etapromise.forecast.calibration import CalibrationSettings
from etapromise.history.effects import EffectSettings
from etapromise.history.features import BUILT_IN_NAMES
from etapromise.in_transit.training import TransitSettings
from etapromise.shrinkage import Priors


def _boosting() -> BoostingConfig:
    return BoostingConfig(
        rounds=300,
        learning_rate=0.08,
        num_leaves=15,
        max_depth=6,
        min_data_in_leaf=60,
        lambda_l2=1.0,
        feature_fraction=0.5,
        bagging_fraction=0.7,
        max_bin=127,
        patience=40,
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        numeric: further numeric columns of the shipments to learn from.
        categorical: further categorical columns.
        default_time_zone: IANA zone of last resort; None takes the most frequent one.
        calendars: closures, weeks, cut-offs and holidays: a `CalendarFile`, or the path of one.
            What it says goes before what the scans show, its zone of last resort before the above.
        effects: memory and shrinkage of the statistics.
        priors: what is believed before anything is seen.
        calibration: memory and shrinkage of the calibration.
        boosting: how forests are grown; by default settings for tens of thousands of orders and up.
        holdout_days: the last days of orders, which stop the boosting and are calibrated on.
        transit: how predictions of parcels under way are trained; None leaves them out.
        members: forests that are averaged, each with a seed of its own.
        warm_up_days: the first days of orders, which only fill the statistics.
        stages: whether handling and transit get forests of their own, which explain promises.
        hand_offs: whether to learn which parcels are usually handed to another carrier, and to
            promise these by both carriers' ways.

    Examples:
        >>> config = etapromise.TrainingConfig(numeric=["weight_kg_billed"], members=1)
        >>> config.holdout_days
        56
    """

    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    default_time_zone: str | None = None
    calendars: CalendarFile | str | Path | None = None
    effects: EffectSettings = field(default_factory=EffectSettings)
    priors: Priors = field(default_factory=Priors)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    boosting: BoostingConfig = field(default_factory=_boosting)
    transit: TransitSettings | None = field(default_factory=TransitSettings)
    holdout_days: int = 56
    warm_up_days: int = 45
    members: int = 3
    stages: bool = True
    hand_offs: bool = True

    def __post_init__(self) -> None:
        both = set(self.numeric) & set(self.categorical)
        if both:
            raise ContractError(
                f"Found {', '.join(sorted(both))} both numeric and categorical; name each once."
            )
        every = (*self.numeric, *self.categorical)
        built_in = sorted(set(every) & BUILT_IN_NAMES)
        if built_in or len(set(every)) != len(every) or not all(every):
            raise ContractError(
                f"Found {', '.join(map(repr, built_in or every))} as further features; expected "
                "each once, and none of the columns and levels that every model learns from. "
                "Leave them out."
            )
        if self.calendars is not None:
            object.__setattr__(self, "calendars", CalendarFile.of(self.calendars))
        require_at_least(self, 1, "holdout_days", "warm_up_days", "members")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a manifest, without the calendar file, which a refresh may change."""
        values = asdict(replace(self, calendars=None))
        del values["calendars"]
        return values | {"numeric": list(self.numeric), "categorical": list(self.categorical)}


def with_settings(config: TrainingConfig, settings: Mapping[str, Any]) -> TrainingConfig:
    """A configuration with some settings replaced, such as ``{"boosting.num_leaves": 31}``."""
    known = settings_of(config)
    for path, value in settings.items():
        if path not in known:
            raise ContractError(f"found the setting {path!r}, expected one of {', '.join(known)}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ContractError(f"found {path}={value!r}, expected a number") from None
        kind = type(known[path])
        if kind(number) != number:
            raise ContractError(f"found {path}={value!r}, expected a whole number")
        part, _, name = path.rpartition(".")
        changed: Any = replace(getattr(config, part) if part else config, **{name: kind(number)})
        config = replace(config, **{part: changed}) if part else changed
    return config


def settings_of(owner: Any, prefix: str = "") -> dict[str, float]:
    """The settings that are numbers, those of a part with its name before a dot."""
    found: dict[str, float] = {}
    for each in fields(owner):
        value = getattr(owner, each.name)
        if isinstance(value, int | float):
            found[prefix + each.name] = value
        elif is_dataclass(value) and not prefix:
            found |= settings_of(value, f"{each.name}.")
    return found
