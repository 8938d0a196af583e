"""What is seen at first sight is what the closer look finds: the quick ways change no result."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.normal_forms.postcodes import _forms, is_normal_shape, normal_postcode
from etapromise.normal_forms.texts import normal_text
from etapromise.tracking import places, plain_dates, read_scans
from etapromise.tracking.columns import read_text
from etapromise.tracking.faults import Faults
from etapromise.tracking.texts import are_plain, coded, of_floats, shapes

FLOAT = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+|[0-9][.,][0-9]+[eE][0-9]+|[0-9]+\.0+")
PLACEHOLDERS = [
    "NULL",
    "n/a",
    "-",
    "1.#QNAN",
    "#N/A N/A",
    "unknown",
    "(unbekannt)",
    "---",
    "1.#IND",
    "12.0",
    "4.2E+17",
    "4,2E+17",
]
WORDS = st.one_of(
    st.text(max_size=25),
    st.text("09Aa -'#.,/eE+", max_size=15),
    st.sampled_from(PLACEHOLDERS),
    st.from_regex(FLOAT, fullmatch=True),
)
COLUMNS = st.lists(st.one_of(st.none(), WORDS), max_size=12)


def chunked(values: list[str | None], kind: Any) -> pa.ChunkedArray:
    """Two chunks that are slices of larger arrays, as readers leave them."""
    half = len(values) // 2
    whole = pa.array(["é ", None, *values, "x"], kind)
    return pa.chunked_array([whole.slice(2, half), whole.slice(2 + half, len(values) - half)], kind)


@given(values=st.lists(WORDS, max_size=6), kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_plain_texts_are_their_normal_form(values: list[str], kind: Any) -> None:
    column = chunked(list(values), kind)
    if are_plain(column, said=True):
        assert [normal_text(value) for value in values] == values
    if are_plain(column):
        assert [" ".join(value.split()) for value in values] == values
        assert "" not in values


@given(values=COLUMNS, kind=st.sampled_from([pa.string(), pa.large_string()]))
def test_numbers_through_floats_are_found(values: list[str | None], kind: Any) -> None:
    found = of_floats(chunked(values, kind))
    expected = [value is not None and bool(FLOAT.fullmatch(value)) for value in values]
    assert (found.tolist() if found is not None else [False] * len(values)) == expected


@given(values=COLUMNS)
def test_shapes_name_the_characters(values: list[str | None]) -> None:
    codes, seen = shapes(chunked(values, pa.string()))
    for value, code in zip(values, codes.tolist(), strict=True):
        expected = re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "9", value or "")))
        known = len(expected) <= 21 and not set(expected) - set("9Aa -")
        assert seen[code] == (expected if known else "")


FORMS = sorted({form for forms in _forms().values() for form in forms})


@given(
    shape=st.one_of(st.sampled_from(FORMS), st.text("9Aa -", max_size=9)),
    country=st.sampled_from([*sorted(_forms()), None, "AE", "HK"]),
    data=st.data(),
)
def test_a_normal_shape_holds_normal_postcodes(
    shape: str, country: str | None, data: st.DataObject
) -> None:
    shape = re.sub("X", lambda _: data.draw(st.sampled_from("9A")), shape)
    signs = {"9": "0123456789", "A": "ABDEFLNOPSTUVZ", "a": "abdeflnopz", " ": " ", "-": "-"}
    text = "".join(data.draw(st.sampled_from(signs[sign])) for sign in shape if sign in signs)
    if is_normal_shape(shape, country):
        assert normal_postcode(text, country) == text


@given(country=st.sampled_from(sorted(_forms())))
def test_the_usual_form_of_a_country_is_a_normal_shape(country: str) -> None:
    literal = country in {"LV", "AZ", "AD"}
    assert is_normal_shape(_forms()[country][0].replace("X", "9"), country) != literal


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(
                st.none(), WORDS, st.sampled_from(["1067", "01067", "SW1A 1AA", "12345-6789"])
            ),
            st.sampled_from(["DE", "GB", "US", "Narnia", "", None]),
        ),
        max_size=12,
    ),
    with_countries=st.booleans(),
)
def test_places_are_read_as_when_each_is_looked_at(
    rows: list[tuple[str | None, str | None]], *, with_countries: bool
) -> None:
    array = chunked([place for place, _ in rows], pa.string())
    countries = None
    if with_countries:
        countries = coded(chunked([land or None for _, land in rows], pa.string()))
    quick, close = Faults(len(rows)), Faults(len(rows))
    found = places._within(array, "destination", countries, quick)
    text = read_text(array, "destination")
    expected = places._closely_within(text, "destination", countries, close)
    assert found.to_pylist() == expected.to_pylist()
    told = [(note.reason, note.rows, set(note.examples)) for note in quick.notes]
    assert told == [(note.reason, note.rows, set(note.examples)) for note in close.notes]


@given(
    hours=st.lists(
        st.tuples(
            st.sampled_from(["picked_up", "in_transit", "delivered"]), st.sampled_from([0, 0, 0, 7])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_dates_are_found_wherever_the_first_clock_stands(hours: list[tuple[str, int]]) -> None:
    days = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.arange(len(hours)), "D")
    scans = pd.DataFrame(
        {
            "shipment_id": [f"A{k}" for k in range(len(hours))],
            "scanned_at": days + pd.to_timedelta([hour for _, hour in hours], "h"),
            "status": [status for status, _ in hours],
        }
    )
    read = []
    for first in (1, 4096):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plain_dates, "_FIRST_SCANS", first)
            read.append(read_scans(scans))
    pd.testing.assert_frame_equal(read[0].accepted, read[1].accepted)
    assert read[0].notes == read[1].notes
    for status, kept in read[0].accepted.groupby("status"):
        times = [hour for name, hour in hours if name == status]
        dated = len(times) >= 3 and not any(times)
        noon = kept["scanned_at"].dt.hour.eq(12).all()
        assert dated == noon


def test_a_placeholder_is_one_in_every_type_of_text() -> None:
    scans = pa.table(
        {
            "shipment_id": ["A1", "N/A", "A3"],
            "scanned_at": pd.to_datetime(["2026-03-02T07:00Z"] * 3),
            "status": ["picked_up"] * 3,
            "facility": ["HUB", "N/A", "HUB"],
        }
    )
    for kind in (pa.string(), pa.large_string()):
        found = read_scans(
            scans.set_column(0, "shipment_id", scans["shipment_id"].cast(kind)).set_column(
                3, "facility", scans["facility"].cast(kind)
            )
        )
        assert found.rejects["reason"].tolist() == ["missing_shipment_id"]
        assert [note.reason for note in found.notes] == ["placeholder_facility"]
