"""Carrier scorecards: how each partner does where, and which is best there.

Counted on what had been received by a moment, with its uncertainty: open parcels are censored and
not left out, shares come with Wilson intervals, and the ranking leans on what a partner does
elsewhere as long as it has few parcels, so that three lucky ones win nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.argument_kinds import kinds_checked, require_many
from etapromise.array_types import Floats, Mask
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_dates
from etapromise.errors import ContractError
from etapromise.evaluation.judgement import groups_of
from etapromise.evaluation.metrics import (
    chance_best,
    kaplan_meier_percentiles,
    shrunk_shares,
    wilson_interval,
)
from etapromise.files import write_text
from etapromise.history.as_of import Moment, moment_of
from etapromise.tracking import Source, TrackedHistory, milestones
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.table_writer import write_table
from etapromise.tracking.tracked import read_unless_read

Measure = Literal["promise_kept", "quoted_kept", "swift"]
"""What the ranking goes by: the shop's promised dates, the carrier's quoted dates, or arrival in as
many days from the order as four of five parcels of the same place take, whoever carries them."""

SCORECARD_GROUPS: Final = ("carrier", "service", "destination_region", "lane_group")
"""What a scorecard can tell apart: "lane_group" is from region to region."""

SCORECARD_PERCENTILES: Final = (50.0, 80.0, 90.0, 95.0)

_DAY_SECONDS: Final = 86_400.0
_USUAL_SPAN: Final = pd.Timedelta(days=180)
_SWIFT: Final = 80.0
# A parcel of which nothing came for so many days after its order counts as lost.
_LEAST_PATIENCE: Final = 21
# Days after a date until its last scans have arrived.
_SETTLE_DAYS: Final = 1
# So that a prior share is never quite 0 or 1.
_SMALL: Final = 0.5


@kinds_checked()
def scorecard(
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    since: Moment | None = None,
    by: Sequence[str] = ("carrier", "service", "lane_group"),
    measure: Measure | None = None,
    smallest_group: int = 1,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> pd.DataFrame:
    """How each carrier and service does where, the best of each place first.

    Arguments without a word here are as for `read`.

    Args:
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        since: parcels ordered from then on; by default 180 days before.
        by: carrier and service are the partner, the rest the place.
        measure: what partners are ranked by: "promise_kept", "quoted_kept" or "swift"; by default
            the first that the data allow.
        smallest_group: groups of fewer parcels are left out, though their parcels count elsewhere.
        naive_time_zone: IANA zone of times that carry none, and of places whose zone nothing tells.

    Returns:
        The columns of ``by``, then

        - ``parcels`` (cancelled ones left out), and of them ``delivered``, ``open``, ``returned``,
          ``lost``, ``damaged``;
        - ``promise_judged``: parcels whose promised date has run out; ``promise_kept_rate`` the
          share that kept it, with ``…_low`` and ``…_high``, the central 95 % interval;
        - ``quoted_judged``, ``quoted_kept_rate``, … the same of the carrier's own quoted date, and
          ``quoted_error_50``, ``_90``: percentiles of the days by which parcels came after it;
        - ``transit_parcels``, ``transit_50`` … ``transit_95``: percentiles of the days from the
          carrier's possession to delivery, open parcels censored, infinite where so many never
          arrive, NaN where it cannot be known yet;
        - ``attempted``, ``first_attempt_rate``, …: parcels brought to the door, and the share that
          was delivered at the first attempt;
        - ``silence_50``, ``silence_90``: percentiles over parcels of the longest silence between
          scans from possession to delivery, days; ``scans_per_parcel``;
        - ``settled``: parcels whose fate is decided or that are past hope; ``loss_rate``, … of them
          lost, damaged or never heard of again; ``return_rate``, …;
        - ``hand_offs``, ``hand_off_rate``, …: parcels given to another carrier;
        - ``measure``, ``measured``, ``rate``: what the ranking goes by; ``shrunk_rate``: the rate
          leaning on what the partner and the place would make one expect; ``rank`` in its place,
          1 is best; ``chance_best``: the probability of really being it.

    Raises:
        ContractError: a table does not fit the contract, `by` or `measure` name what there is not,
            or no parcel was ordered in that time.

    Examples:
        >>> card = etapromise.scorecard(history, as_of="2025-07-15", by=["carrier"])
        >>> sorted(card["carrier"])
        ['acme', 'birdpost', 'corvid', 'dromedary']
    """
    history = read_unless_read(
        shipments,
        scans,
        event="delivered",
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        max_rejects=1.0,
    )
    end = moment_of(as_of)
    begin = end - _USUAL_SPAN if since is None else moment_of(since, "since")
    _require(by, measure)
    parcels = _parcels(history, end, begin, naive_time_zone)
    if measure is None:
        possible = [name for name, (_, count) in _MEASURES.items() if parcels[count].any()]
        measure = possible[0] if possible else "swift"
    keys = list(by)
    rows = []
    for key, positions in parcels.groupby(keys, sort=True).indices.items():
        if len(positions) < smallest_group:
            continue
        names = key if isinstance(key, tuple) else (key,)
        rows.append(dict(zip(keys, names, strict=True)) | _card(parcels.iloc[positions]))
    if not rows:
        raise ContractError(
            f"Found no group of at least {smallest_group} parcels; expected some. Ask for smaller "
            "groups, or coarser ones."
        )
    table = pd.DataFrame(rows)
    for name, hits, count in _SHARES:
        low, high = wilson_interval(table[hits], table[count])
        with np.errstate(invalid="ignore"):
            rate = table[hits] / table[count]
        table[name], table[f"{name}_low"], table[f"{name}_high"] = rate, low, high
    return _ranked(table, parcels, keys, measure)


def write_scorecards(
    table: pd.DataFrame, path: str | Path, *, as_of: Moment, language: str = "en"
) -> None:
    """Write scorecards as Parquet, CSV, JSON (null for unknown and infinite) or an HTML page.

    Args:
        table: what `scorecard` returned.
        path: its ending says which.
        as_of: the moment that `scorecard` was asked for; told on the page.
        language: of the page: "en", "de", "es" or "fr".

    Raises:
        ContractError: pages are not written in this language.

    Examples:
        >>> table = etapromise.scorecard(history, as_of="2025-07-15")
        >>> etapromise.write_scorecards(table, "scorecard.html", as_of="2025-07-15")
    """
    path = Path(path)
    if path.suffix not in {".json", ".html"}:
        write_table(table, path)
        return
    if path.suffix == ".html":
        from etapromise.evaluation.report.page import render_scorecards  # noqa: PLC0415 (matplotlib)

        text = render_scorecards(table, as_of=moment_of(as_of), language=language)
    else:
        finite = table.replace([np.inf, -np.inf], np.nan)
        text = finite.to_json(orient="records", indent=2, force_ascii=False) + "\n"
    write_text(path, text)


# Name of a share, its hits and its count.
_SHARES: Final = (
    ("promise_kept_rate", "promise_kept", "promise_judged"),
    ("quoted_kept_rate", "quoted_kept", "quoted_judged"),
    ("first_attempt_rate", "first_attempt", "attempted"),
    ("loss_rate", "gone", "settled"),
    ("return_rate", "sent_back", "settled"),
    ("hand_off_rate", "hand_offs", "parcels"),
)
_MEASURES: Final[dict[Measure, tuple[str, str]]] = {
    "promise_kept": ("promise_kept", "promise_judged"),
    "quoted_kept": ("quoted_kept", "quoted_judged"),
}


def _parcels(
    history: TrackedHistory, as_of: pd.Timestamp, begin: pd.Timestamp, default_time_zone: str | None
) -> pd.DataFrame:
    """What had become of each parcel that was not cancelled, one row each; times in days."""
    ordered = history.shipments["ordered_at"]
    chosen = ((ordered >= begin) & (ordered <= as_of)).to_numpy()
    if not chosen.any():
        raise ContractError(
            f"Found no parcel ordered from {begin} to {as_of}; expected some. The shipments were "
            f"ordered from {ordered.min()} to {ordered.max()}."
        )
    shipments = history.shipments[chosen].reset_index(drop=True)
    scans = history.scans[(history.scans["received_at"] <= as_of).to_numpy()]
    scans = scans[scans["shipment_id"].isin(shipments["shipment_id"])]
    found = milestones(shipments, scans, event="delivered")
    zone_map = ZoneMap.learned(history.shipments, default=default_time_zone)
    zones, _ = zone_map.resolve_many(shipments, "destination")
    came = found["delivered_at"].notna().to_numpy()
    today = _local_days(pd.Series(as_of, shipments.index), zones)
    ordered_on = _local_days(shipments["ordered_at"], zones)
    arrived_on = np.where(came, _local_days(found["delivered_at"], zones), np.inf)
    closed = found["closed_as"].astype(object).where(~came, "delivered")
    fate = closed.where(closed.notna(), "open").to_numpy()
    columns: dict[str, Any] = dict(groups_of(shipments))
    columns |= {name: fate == name for name in _FATES}
    age = today - ordered_on
    # Days after which an open parcel is past hope, as in training.
    taken = (arrived_on - ordered_on)[np.isfinite(arrived_on - ordered_on)]
    longest = 2.0 * float(np.quantile(taken, 0.99)) if len(taken) else 0.0
    patience = max(float(_LEAST_PATIENCE), float(np.ceil(longest)))
    # Closed for good, or silent for too long: it never comes.
    never = ~came & ((fate != "open") | (age > patience))
    columns |= _kept(shipments, "promise", "promised_date", arrived_on, today)
    columns |= _kept(shipments, "quoted", "quoted_date", arrived_on, today)
    fetched = found["picked_up_at"]
    way = (found["delivered_at"].fillna(as_of) - fetched).dt.total_seconds() / _DAY_SECONDS
    tried = found["attempted_at"].notna().to_numpy()
    table = pd.DataFrame(
        columns
        | {
            "transit_parcels": fetched.notna().to_numpy(),
            # To now where open, infinite where it never comes.
            "transit": np.where(never, np.inf, np.maximum(way.to_numpy(), 0.0)),
            "attempted": came | tried,
            "first_attempt": came & ~(found["attempted_at"] < found["delivered_at"]).to_numpy(),
            # Of younger parcels the quick ones are known, and of the lost few.
            "settled": age > patience,
            "gone": (age > patience) & ~came & (fate != "returned"),
            "sent_back": (age > patience) & (fate == "returned"),
            "hand_offs": found["transferred_at"].notna().to_numpy(),
            "taken": np.where(came, arrived_on - ordered_on, np.where(never, np.inf, age)),
            "never": never,
            "age": age,
            "came": came,
            "silence": _longest_silence(shipments, scans, found, as_of),
            "scans": found["scan_count"].to_numpy(dtype=np.float64),
        }
    )
    told: pd.DataFrame = table[fate != "cancelled"].reset_index(drop=True)
    return told


_FATES: Final = ("delivered", "open", "returned", "lost", "damaged")


def _kept(
    shipments: pd.DataFrame, name: str, column: str, arrived_on: Floats, today: Floats
) -> dict[str, Any]:
    """Whether a date has run out, whether it was kept, and by how many days it was missed."""
    date = np.full(len(shipments), np.nan)
    if column in shipments.columns:
        told = shipments[column].notna().to_numpy()
        dates = shipments[column].to_numpy()[told].astype("datetime64[D]")
        date[told] = dates.astype(np.int64)
    run_out = today > date + _SETTLE_DAYS
    return {
        f"{name}_judged": run_out,
        f"{name}_kept": run_out & (arrived_on <= date),
        f"{name}_error": np.minimum(arrived_on, today) - date,
    }


def _longest_silence(
    shipments: pd.DataFrame, scans: pd.DataFrame, found: pd.DataFrame, as_of: pd.Timestamp
) -> Floats:
    """(n,) longest time without a scan from possession to the end or now, days; NaN without."""
    place = pd.Index(shipments["shipment_id"]).get_indexer(pd.Index(scans["shipment_id"]))
    end = found["delivered_at"].fillna(found["closed_at"]).fillna(as_of)
    begin = found["picked_up_at"]
    inside = (scans["scanned_at"].to_numpy() >= begin.to_numpy()[place]) & (
        scans["scanned_at"].to_numpy() <= end.to_numpy()[place]
    )
    known = begin.notna().to_numpy()
    moments = pd.DataFrame(
        {
            "place": np.concatenate([place[inside], np.flatnonzero(known)]),
            "at": pd.concat([scans["scanned_at"][inside], end[known]], ignore_index=True),
        }
    ).sort_values(["place", "at"], kind="stable")
    gap = moments.groupby("place")["at"].diff().dt.total_seconds() / _DAY_SECONDS
    longest = np.full(len(shipments), np.nan)
    told = gap.groupby(moments["place"]).max()
    longest[told.index.to_numpy()] = told.to_numpy()
    return longest


def _local_days(times: pd.Series[Any], zones: npt.NDArray[Any]) -> Floats:
    """(n,) local dates in days since 1970-01-01, NaN where there is no time."""
    dates = local_dates(times, zones)
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64))


_SUMS: Final = (
    *(*_FATES, "settled", "gone", "sent_back", "promise_judged", "promise_kept"),
    *("quoted_judged", "quoted_kept", "attempted", "first_attempt", "hand_offs"),
)


def _card(own: pd.DataFrame) -> dict[str, Any]:
    """Counts and percentiles of one group."""
    card: dict[str, Any] = {"parcels": len(own)}
    card |= {name: int(own[name].sum()) for name in _SUMS}
    came = own["came"].to_numpy()
    quoted = own["quoted_error"].notna().to_numpy()
    error = np.where(own["never"], np.inf, own["quoted_error"].to_numpy())
    card |= _percentiles("quoted_error", error[quoted], came[quoted], (50.0, 90.0))
    carried = own["transit_parcels"].to_numpy()
    card["transit_parcels"] = int(carried.sum())
    transit = own["transit"].to_numpy()[carried]
    card |= _percentiles("transit", transit, came[carried], SCORECARD_PERCENTILES)
    silence = own["silence"].dropna().to_numpy()
    card |= _percentiles("silence", silence, np.ones(len(silence), bool), (50.0, 90.0))
    return card | {"scans_per_parcel": float(own["scans"].mean())}


def _percentiles(
    name: str, days: Floats, arrived: Mask, percents: tuple[float, ...]
) -> dict[str, float]:
    found = kaplan_meier_percentiles(days, arrived, percents)
    return {
        f"{name}_{percent:g}": float(value) for percent, value in zip(percents, found, strict=True)
    }


def _ranked(
    cards: pd.DataFrame, parcels: pd.DataFrame, by: list[str], measure: Measure
) -> pd.DataFrame:
    """Partners of the same place, best first."""
    place = [name for name in by if name not in _PARTNER] or ["everywhere"]
    partner = [name for name in by if name in _PARTNER]
    measured = _measured(parcels.assign(everywhere=""), place, measure)
    groups = measured.groupby([*partner, *place], sort=True)[["hits", "count"]].sum().reset_index()
    cards = cards.assign(everywhere="").merge(groups, on=[*partner, *place], how="left")
    expected = _expected(measured, partner, place, cards)
    got, seen = (cards[name].to_numpy(dtype=np.float64) for name in ("hits", "count"))
    share, evidence = shrunk_shares(got, seen, expected)
    rate = np.divide(got, seen, out=np.full(len(cards), np.nan), where=seen > 0)
    cards = cards.assign(
        measure=measure, measured=seen.astype(np.int64), rate=rate, shrunk_rate=share
    )
    cards["chance_best"] = np.nan
    for rows in cards.groupby(place).indices.values():
        cards.loc[rows, "chance_best"] = chance_best(share[rows], evidence[rows])
    order = [*place, "shrunk_rate", "measured", *partner]
    upwards = [*(True for _ in place), False, False, *(True for _ in partner)]
    cards = cards.sort_values(order, ascending=upwards, kind="stable", ignore_index=True)
    cards["rank"] = cards.groupby(place).cumcount() + 1
    return cards.drop(columns=["everywhere", "hits", "count"])


_PARTNER: Final = ("carrier", "service")


def _measured(parcels: pd.DataFrame, place: list[str], measure: Measure) -> pd.DataFrame:
    """Parcels that the measure can judge (``count``), and those that did well (``hits``)."""
    if measure != "swift":
        hits, count = _MEASURES[measure]
        return parcels.assign(hits=parcels[hits], count=parcels[count])
    taken, came = parcels["taken"].to_numpy(), parcels["came"].to_numpy()
    usual = np.full(len(parcels), np.nan)
    for rows in parcels.groupby(place).indices.values():
        usual[rows] = kaplan_meier_percentiles(taken[rows], came[rows], (_SWIFT,))[0]
    run_out = parcels["age"].to_numpy() > usual + _SETTLE_DAYS
    return parcels.assign(hits=run_out & came & (taken <= usual), count=run_out)


def _expected(
    measured: pd.DataFrame, partner: list[str], place: list[str], cards: pd.DataFrame
) -> Floats:
    """(n,) what the partner does elsewhere and partners do in the place make one expect."""
    total = float(measured["count"].sum())
    network = (float(measured["hits"].sum()) + _SMALL) / (total + 2.0 * _SMALL)
    logit = np.log(network / (1.0 - network))
    expected = np.full(len(cards), logit)
    for names in (partner, place):
        sums = measured.groupby(names)[["hits", "count"]].sum().reset_index()
        hits, count = (sums[name].to_numpy(dtype=np.float64) for name in ("hits", "count"))
        share, _ = shrunk_shares(hits, count, np.full(len(sums), network))
        share = np.clip(share, 1e-6, 1.0 - 1e-6)
        sums["effect"] = np.log(share / (1.0 - share)) - logit
        expected += cards.merge(sums[[*names, "effect"]], on=names, how="left")["effect"].to_numpy()
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(-expected)), 1e-6, 1.0 - 1e-6))


def _require(by: Sequence[str], measure: str | None) -> None:
    require_many("by", by)
    groups = list(by)
    doubled = any(groups.count(one) > 1 for one in groups)
    if "carrier" not in groups or doubled or any(one not in SCORECARD_GROUPS for one in groups):
        raise ContractError(
            f"Found by={list(by)!r}; expected some of {', '.join(SCORECARD_GROUPS)}, each once, "
            "carrier among them."
        )
    if measure is not None and measure not in get_args(Measure):
        raise ContractError(
            f"Found measure={measure!r}; expected one of {', '.join(get_args(Measure))}."
        )
