"""The compiled way from a shipment's columns to a request, against dictionaries and zoneinfo."""

from __future__ import annotations

import dataclasses
import sys
import zoneinfo
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.calendars.dispatch import DISPATCH_LEVELS, Dispatch, DispatchCalendars
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.calendars.zone_tables import offset_changes
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding import compiled_encoder
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.lanes.levels import KeyIndex, level_indexes, levels_with
from tests.encoding.reference_requests import in_keys, reference_request

MOMENT = datetime(2025, 3, 30, 2, 30, tzinfo=UTC)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST, LAST = (date(2024, 1, 1) - date(1970, 1, 1)).days, (date(2026, 1, 1) - date(1970, 1, 1)).days
# Few, so that they meet; among them what could be taken for two texts, or for half a character.
WORDS = (
    "",
    "a",
    "b",
    "é",
    "日本語1",
    "\x1f",
    "a\x1fb",
    "\x1a1",
    "\0",
    "\ud800",
    "5",
    "nan",
    "x" * 300,
)
# As parts of keys.
KNOWN = tuple(map(in_keys, WORDS))
ODD = (None, float("nan"), np.float64(5.0), 5, 5.5, np.int64(5), np.str_("a"), pd.NA, pd.NaT, True)
ZONES = ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu")
TEXTS = (
    *("origin", "origin_region", "origin_country"),
    *("destination", "destination_region", "destination_country", "carrier", "service", "kind"),
)
LEVELS = levels_with(["kind"])


def encoder() -> Encoder:
    """Knows every key that WORDS make, or nearly."""
    keys = {
        0: [""],
        1: [word for word in KNOWN if word != "b"],
        2: [f"{one}\x1f{two}" for one in KNOWN for two in KNOWN[::2]],
    }
    indexes = level_indexes(
        LEVELS,
        {
            level.name: keys.get(len(level.columns)) or ["\x1f".join("a" for _ in level.columns)]
            for level in LEVELS
        },
    )
    days = LAST - FIRST + 1
    rng = np.random.default_rng(0)
    pairs = [f"{one}\x1f{two}" for one in KNOWN[1:5] for two in KNOWN[:4]]
    own_places = [f"{pair}\x1f{word}" for pair in pairs[::3] for word in KNOWN[1:4]]
    clocks = Clocks(
        first_day=FIRST,
        services=pairs,
        weeks=rng.random((len(pairs) + 1, 7)),
        calendars=[*pairs[::-1], *own_places],
        holidays=rng.integers(0, 2, (len(pairs) + len(own_places) + 1, days)).astype(np.uint8),
        holiday_weights=rng.random((len(pairs) + 1, HOLIDAY_KINDS)),
    )
    zones = ZoneMap(
        default="America/Sao_Paulo",
        countries={"a": ZONES[0], "é": ZONES[1], "": ZONES[3], "5": "Africa/Casablanca"},
        regions={
            ("a", "b"): ZONES[2],
            ("a", "a"): ZONES[1],
            ("a", in_keys("\x1f")): "UTC",
            ("a", ""): "UTC",
        },
    )
    return Encoder(
        categorical=("kind",),
        numeric=("size",),
        indexes=tuple(indexes),
        clocks=clocks,
        zones=zones,
        dispatch=dispatch(clocks),
    )


def dispatch(clocks: Clocks) -> Dispatch:
    """Warehouses known at every level, each with a calendar of its own."""
    rng = np.random.default_rng(1)
    words = ("a", "é", in_keys("\x1f"), "5")
    keys = [
        "\x1f".join((one, *(other for _ in level.columns[1:])))
        for level in DISPATCH_LEVELS
        for one in words
        for other in words
    ]
    # Rows of two levels may be spelled alike; a table has each key once.
    keys = list(dict.fromkeys(keys))
    rows = len(keys) + 1
    unknown = DispatchCalendars.unknown()
    handling = np.sort(rng.random((rows, unknown.handling.shape[1])), axis=1)
    handling[:, 0], handling[:, -1] = 0.0, 1.0
    calendars = DispatchCalendars(
        cut_off=rng.integers(0, 86_401, (rows, 7)).astype(np.int32),
        weeks=rng.random((rows, 7)),
        holiday_weights=np.repeat(unknown.holiday_weights, rows, axis=0),
        handling=handling,
        rounds=np.array([[0, 2, 40_000, 1], [2, 2, 30_000, 0], [2, 2, 60_000, 2]]),
        special_days=np.array([[-1, clocks.first_day + 9, clocks.first_day + 12, 0]]),
        wait_row=(np.arange(rows) % 3).astype(np.int32),
        wait=np.sort(3.0 * rng.random((2, 7, 25)), axis=2),
        soonest=rng.integers(0, 3, (2, 7, 24), np.uint8),
    )
    return Dispatch(keys, calendars, clocks)


ENCODER = encoder()


def moments() -> st.SearchStrategy[datetime]:
    """Any within the calendars and some outside; often where an offset changes."""
    start, end = FIRST * 86_400, (LAST + 1) * 86_400
    changes = [
        int(second)
        for name in (*ZONES, "America/Sao_Paulo", "Africa/Casablanca")
        for second in offset_changes(ZoneInfo(name), FIRST, LAST)[0][1:]
    ]
    near = st.builds(
        lambda second, off: second + off,
        st.sampled_from([*changes, start, end]),
        st.integers(-90_000, 90_000) | st.integers(-1, 1),
    )
    zone = st.sampled_from([UTC, *map(ZoneInfo, ZONES)]) | st.integers(-840, 840).map(
        lambda minutes: timezone(timedelta(minutes=minutes, microseconds=7))
    )
    return st.builds(
        lambda second, micro, zone: (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second, microseconds=micro)
        ).astimezone(zone),
        near | st.integers(start - 10**6, end + 10**6),
        st.sampled_from([0, 1, 999_999]),
        zone,
    )


def shipments() -> st.SearchStrategy[dict[str, Any]]:
    text = st.sampled_from(WORDS) | st.sampled_from(ODD) | st.text(max_size=4)
    number = (
        st.floats(-400, 400)
        | st.floats()
        | st.sampled_from(
            (None, 1, True, np.float32(0.1), np.int8(3), Decimal("0.1"), "2.5", pd.NA, 10**400, "x")
        )
    )
    quoted = (
        st.sampled_from(
            (None, pd.NaT, "2025-02-03", np.datetime64("2025-02-03T11"), np.datetime64("NaT", "D"))
        )
        | st.dates()
    )
    given_zone = st.sampled_from((None, "", float("nan"), *ZONES, "Asia/Tokyo", np.str_("UTC")))
    return st.fixed_dictionaries(
        {"ordered_at": moments(), "kind": text, "size": number},
        optional=dict.fromkeys(TEXTS[:-1], text)
        | dict.fromkeys(("origin_lat", "destination_lon", "weight_kg"), number)
        | {"quoted_date": quoted, "destination_time_zone": given_zone},
    )


def assert_same(found: Any, expected: Any) -> None:
    for field in dataclasses.fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        assert one.dtype == other.dtype, field.name
        np.testing.assert_array_equal(one, other, err_msg=field.name)


@settings(
    max_examples=200, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow]
)
@example({"ordered_at": datetime.max.replace(tzinfo=UTC), "kind": "a", "size": 1.0})
@example({"ordered_at": datetime.min.replace(tzinfo=UTC), "kind": "a", "size": 1.0})
@example({"ordered_at": pd.Timestamp("2025-03-30T02:30", tz="UTC"), "kind": "a", "size": 1.0})
@example({"ordered_at": MOMENT, "kind": "a", "size": 1.0, "weight_kg": sys.float_info.max})
@given(shipments())
def test_a_request_equals_the_plain_reference(fields: dict[str, Any]) -> None:
    try:
        expected = reference_request(ENCODER, fields)
    except ContractError:
        with pytest.raises(ContractError):
            ENCODER.encode_placed(fields)[0]
        return
    assert_same(ENCODER.encode_placed(fields)[0], expected)


def test_what_the_kernel_does_not_take_is_refused_and_no_request_of_zeros() -> None:
    # Checked before, and refused there; here the check is left out.
    fields = {"ordered_at": MOMENT, "kind": "a", "size": 1.0}
    numbers = [float("nan")] * 4 + [float("inf")]
    with (
        mock.patch.object(compiled_encoder, "given_numbers", return_value=numbers),
        pytest.raises(ContractError, match="cannot be encoded"),
    ):
        ENCODER.encode_placed(fields)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(st.data())
def test_a_promise_is_asked_with_the_same_request(model: PromiseModel, data: Any) -> None:
    """Whatever way the values take, usual or not, the distribution is that of the request."""
    columns = {"origin", "destination"} | set(TEXTS[:-1])
    word = st.sampled_from(("60492", "IL", "US", "acme", "ground", *WORDS, *ODD))
    fields = {name: data.draw(word, label=name) for name in columns}
    fields["weight_kg"] = data.draw(st.sampled_from((None, 2, 0.5, "1.5", np.float32(3))))
    fields["ordered_at"] = datetime(2025, 7, 2, 12, tzinfo=UTC)
    try:
        request = reference_request(model.parts.encoder, fields)
    except ContractError:
        with pytest.raises(ContractError):
            model.promise(**fields)
        return
    dates, probability = model.promise(**fields).distribution()
    assert dates[0] == request.order_day[0].astype("datetime64[D]")
    np.testing.assert_array_equal(probability, model.kernel.dates(request)[0])


@pytest.mark.parametrize("moment", [datetime(2025, 1, 1), None, "2025-01-01", 5, pd.NaT])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(model: PromiseModel, moment: Any) -> None:
    with pytest.raises(ContractError, match=r"ordered_at=.*time zone"):
        model.promise(origin="1", destination="2", ordered_at=moment)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"origin_lat": [1.0]}, "origin_lat=.*expected a number"),
        ({"quoted_date": 5}, "quoted_date=5; expected a date"),
        ({"quoted_date": Decimal("sNaN")}, "expected a date"),
        ({"ordered_at": datetime(2035, 1, 1, tzinfo=UTC)}, "calendars cover"),
        ({"ordered_at": datetime(1, 1, 1, tzinfo=UTC)}, "calendars cover"),
        ({"ordered_at": datetime.max.replace(tzinfo=UTC)}, "calendars cover"),
    ],
)
def test_what_cannot_be_used_is_said(
    model: PromiseModel, fields: dict[str, Any], message: str
) -> None:
    usual = {"origin": "1", "destination": "2", "ordered_at": datetime(2025, 7, 2, tzinfo=UTC)}
    with pytest.raises(ContractError, match=message):
        model.promise(**usual | fields)


def test_extra_features_must_be_given() -> None:
    with pytest.raises(ContractError, match=r"Found no size; .* with kind, size as extra"):
        ENCODER.encode_placed({"ordered_at": datetime(2025, 1, 1, tzinfo=UTC), "kind": "a"})[0]


def test_offsets_are_those_of_every_zone() -> None:
    """Around each change, and at moments in between, as zoneinfo says."""
    first, last = FIRST - 5000, LAST + 200
    rng = np.random.default_rng(0)
    names = sorted(zoneinfo.available_timezones())
    for name in [*ZONES, *names[::7], "Pacific/Apia", "Africa/Casablanca", "Africa/El_Aaiun"]:
        zone = ZoneInfo(name)
        changes, offsets = offset_changes(zone, first, last)
        assert (np.diff(changes) > 0).all()
        near = (changes[1:, None] + [-86_400, -1, 0, 1, 86_400]).ravel()
        asked = np.concatenate([near, rng.integers(first * 86_400, (last + 1) * 86_400, 60)])
        found = offsets[np.searchsorted(changes, asked, side="right") - 1]
        for second, offset in zip(asked.tolist(), found.tolist(), strict=True):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
            expected = moment.astimezone(zone).utcoffset()
            assert expected is not None
            assert offset == expected.total_seconds(), (name, moment)


@settings(max_examples=60, deadline=None)
@given(keys=st.lists(st.text(max_size=5), max_size=60), asked=st.lists(st.text(max_size=5)))
def test_rows_are_found_by_key(keys: list[str], asked: list[str]) -> None:
    expected = {key: row for row, key in enumerate(keys, start=1)}
    index = KeyIndex(keys)
    wanted = [*keys, *asked]
    assert index.rows(np.arange(len(wanted)), wanted).tolist() == [
        expected.get(key, 0) for key in wanted
    ]
