from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import etapromise
from etapromise.errors import ContractError
from etapromise.normal_forms.texts import normal_text
from etapromise.store.ingest import ingest
from etapromise.text_type import TEXT
from etapromise.tracking import STATUSES, read_scans, read_shipments
from etapromise.tracking.files.found_files import find_files
from etapromise.tracking.sources import parquet_tables

SHIPMENT = {
    "shipment_id": "s1",
    "ordered_at": "2024-03-01T10:00:00+01:00",
    "origin": "01067",
    "destination": "88032",
    "origin_lat": "51.05",
    "destination_lon": "9.4",
    "destination_time_zone": "Europe/Berlin",
    "weight_kg": "1.5",
    "promised_date": "2024-03-05",
    "colour": "red",
}
SCAN = {
    "shipment_id": "s1",
    "scanned_at": "2024-03-02T10:00:00Z",
    "status": "arrived",
    "received_at": "2024-03-02T11:00:00Z",
}

# One bad value at a time, and the reason that it must give.
BAD_SHIPMENTS = [
    ("shipment_id", None, "missing_shipment_id"),
    ("shipment_id", "  ", "missing_shipment_id"),
    ("ordered_at", None, "missing_ordered_at"),
    ("ordered_at", "yesterday", "unreadable_ordered_at"),
    ("ordered_at", "2024-02-30T10:00:00Z", "unreadable_ordered_at"),
    ("ordered_at", "9999-12-31T00:00:00Z", "ordered_at_out_of_range"),
    ("origin", "", "missing_origin"),
]
# A bad value of a column that may be empty costs no row: it is left empty and told.
BLANKED = [
    ("origin_lat", "91", "origin_lat_out_of_range"),
    ("origin_lat", "-90.001", "origin_lat_out_of_range"),
    ("origin_lat", "north", "unreadable_origin_lat"),
    ("destination_lon", "1e999", "destination_lon_out_of_range"),
    ("destination_time_zone", "Mars/Olympus", "unknown_destination_time_zone"),
    ("destination_time_zone", "PST", "unknown_destination_time_zone"),
    ("weight_kg", "-1", "weight_kg_out_of_range"),
    ("weight_kg", "heavy", "unreadable_weight_kg"),
    ("weight_kg", "1,500", "unreadable_weight_kg"),
    ("promised_date", "2024-03-05T10:00:00", "unreadable_promised_date"),
    ("promised_date", "2024-13-05", "unreadable_promised_date"),
    ("promised_date", "1900-01-01", "placeholder_promised_date"),
    ("promised_date", "9999-12-31", "placeholder_promised_date"),
    ("quoted_date", "1970-01-01", "placeholder_quoted_date"),
    ("quoted_date", "2999-12-31", "placeholder_quoted_date"),
]
BAD_SCANS = [
    ("shipment_id", "", "missing_shipment_id"),
    ("scanned_at", None, "missing_scanned_at"),
    ("scanned_at", "soon", "unreadable_scanned_at"),
    ("scanned_at", "0001-01-01T00:00:00Z", "scanned_at_out_of_range"),
    ("status", None, "missing_status"),
    ("status", "teleported", "unknown_status"),
    ("status", "Exception_010", "unknown_status"),
]
MAY_BE_MISSING = ("origin_lat", "destination_lon", "destination_time_zone", "weight_kg")


def table(row: dict[str, Any], *changes: dict[str, Any]) -> pd.DataFrame:
    """One row per change of the good ``row``, all text; ids made distinct."""
    rows = [row | {"shipment_id": f"s{i}"} | change for i, change in enumerate(changes)]
    return pd.DataFrame(rows, columns=list(row), dtype=TEXT)


@pytest.mark.parametrize(("column", "value", "reason"), BAD_SHIPMENTS)
def test_a_bad_value_costs_its_shipment(column: str, value: Any, reason: str) -> None:
    checked = read_shipments(table(SHIPMENT, {}, {column: value}, {}))
    assert list(checked.accepted["shipment_id"]) == ["s0", "s2"]
    assert list(checked.rejects["reason"]) == [reason]
    assert list(checked.rejects["row"]) == [1]
    detail = checked.rejects["detail"][0]
    assert detail.startswith(f"{column} is ")
    assert "expected" in detail
    own = ["reason", "detail", "value", "remedy", "row"]
    assert list(checked.rejects.columns) == [*checked.accepted.columns, *own]
    assert checked.rejects["remedy"][0]


@pytest.mark.parametrize(("column", "value", "reason"), BLANKED)
def test_a_bad_optional_value_is_left_empty_and_told(column: str, value: Any, reason: str) -> None:
    row = {column: "2024-03-06"} | SHIPMENT
    checked = read_shipments(table(row, {}, {column: value}, {}))
    assert len(checked.accepted) == 3
    assert not len(checked.rejects)
    assert list(checked.accepted[column].isna()) == [False, True, False]
    notes = {note.reason: note for note in checked.notes}
    assert notes[reason].rows == 1
    assert notes[reason].column == column
    assert notes[reason].examples == (value,)


@pytest.mark.parametrize("side", ["origin", "destination"])
def test_a_point_in_the_sea_stands_for_nothing_and_is_told(side: str) -> None:
    nowhere = {f"{side}_lat": "0", f"{side}_lon": "0.0"}
    base = SHIPMENT | {f"{side}_lat": "41.8", f"{side}_lon": "-87.6"}
    checked = read_shipments(table(base, {}, nowhere))
    for name in nowhere:
        assert checked.accepted[name].isna().tolist() == [False, True]
    assert {note.reason: note.rows for note in checked.notes}[f"placeholder_{side}"] == 1


@pytest.mark.parametrize("value", [None, "", "N/A", "-"])
def test_a_parcel_without_a_destination_is_kept_and_told(value: Any) -> None:
    # As a single promise has it: the date comes from what else is known of where it goes.
    checked = read_shipments(table(SHIPMENT, {}, {"destination": value}, {}))
    assert len(checked.accepted) == 3
    assert not len(checked.rejects)
    assert list(checked.accepted["destination"].isna()) == [False, True, False]
    assert {note.reason: note.rows for note in checked.notes}["missing_destination"] == 1


@pytest.mark.parametrize(("column", "value", "reason"), BAD_SCANS)
def test_a_bad_value_costs_its_scan(column: str, value: Any, reason: str) -> None:
    checked = read_scans(table(SCAN, {}, {column: value}, {}))
    assert list(checked.accepted["shipment_id"]) == ["s0", "s2"]
    assert list(checked.rejects["reason"]) == [reason]
    assert list(checked.rejects["row"]) == [1]


@settings(deadline=None, max_examples=60)
@given(
    changes=st.lists(
        st.one_of(
            st.just({}),
            st.sampled_from(BAD_SHIPMENTS).map(lambda bad: {bad[0]: bad[1]}),
            st.sampled_from(MAY_BE_MISSING).map(lambda name: {name: None}),
            st.integers(0, 5).map(lambda k: {"shipment_id": f"s{k}"}),
            st.fixed_dictionaries({name: st.text(max_size=6) for name in SHIPMENT}),
        ),
        max_size=12,
    )
)
def test_accepted_and_rejected_shipments_are_the_input(changes: list[dict[str, Any]]) -> None:
    frame = table(SHIPMENT, *changes)
    checked = read_shipments(frame)
    assert len(checked.accepted) + len(checked.rejects) == len(frame)
    kept = np.setdiff1d(np.arange(len(frame)), checked.rejects["row"])
    assert len(kept) == len(checked.accepted)
    ids = [normal_text(one) for one in frame["shipment_id"].iloc[kept]]
    assert list(checked.accepted["shipment_id"]) == ids
    assert checked.accepted["shipment_id"].is_unique
    again = read_shipments(checked.accepted)
    assert_frame_equal(again.accepted, checked.accepted)
    for position, reason in zip(checked.rejects["row"], checked.rejects["reason"], strict=True):
        assert changes[position] or reason == "duplicate_shipment_id"
    bad = {(column, value): reason for column, value, reason in BAD_SHIPMENTS}
    found = dict(zip(checked.rejects["row"], checked.rejects["reason"], strict=True))
    for position, change in enumerate(changes):
        if len(change) == 1 and next(iter(change.items())) in bad:
            assert found[position] == bad[next(iter(change.items()))]


@settings(deadline=None, max_examples=60)
@given(
    changes=st.lists(
        st.fixed_dictionaries(
            {
                "status": st.one_of(
                    st.sampled_from(STATUSES),
                    st.sampled_from(["Exception_010", "IT", "Delivered_Other", "nonsense", None]),
                ),
                "vocabulary": st.sampled_from(
                    ["aftership", "AfterShip", "17track", "shipengine", "standard", "pigeon", None]
                ),
            }
        ),
        max_size=12,
    )
)
def test_accepted_and_rejected_scans_are_the_input(changes: list[dict[str, Any]]) -> None:
    checked = read_scans(table(SCAN | {"vocabulary": None}, *changes))
    assert len(checked.accepted) + len(checked.rejects) == len(changes)
    assert set(checked.accepted["status"]) <= set(STATUSES)
    assert_frame_equal(read_scans(checked.accepted).accepted, checked.accepted)


def test_the_vocabulary_is_chosen_by_row_then_by_argument_then_standard() -> None:
    frame = table(
        SCAN | {"vocabulary": None},
        {"vocabulary": "easypost", "status": "return_to_sender"},
        {"vocabulary": "shipengine", "status": "IT/HUB_SCAN_OUT"},
        {"status": "InTransit_002"},
        {"vocabulary": "pigeon", "status": "arrived"},
        {"vocabulary": "easypost", "status": "Exception_010"},
        {"status": "Pending"},
    )
    checked = read_scans(frame, vocabulary="aftership")
    assert list(checked.accepted["status"]) == ["returning", "departed", "picked_up"]
    assert list(checked.rejects["reason"]) == ["unknown_vocabulary", "unknown_vendor_code"]
    # A code that says nothing is no scan, and no fault either.
    assert checked.left_aside == 1
    assert [note.reason for note in checked.notes] == ["status_without_information"]
    standard = read_scans(frame)
    assert list(standard.rejects["reason"][:2]) == ["unknown_status", "unknown_vocabulary"]
    with pytest.raises(ContractError, match="aftership"):
        read_scans(frame, vocabulary="pigeon")


def test_types_of_the_accepted_columns() -> None:
    given = table(SHIPMENT, {}, {"weight_kg": None, "promised_date": None})
    accepted = read_shipments(given).accepted
    kinds = {name: str(kind) for name, kind in accepted.dtypes.items()}
    assert kinds == {
        "shipment_id": str(TEXT),
        "ordered_at": "datetime64[us, UTC]",
        "origin": str(TEXT),
        "destination": str(TEXT),
        "origin_lat": "float64",
        "destination_lon": "float64",
        "destination_time_zone": str(TEXT),
        "weight_kg": "float64",
        "promised_date": "datetime64[us]",
        "colour": str(TEXT),
    }
    assert accepted["ordered_at"][0] == pd.Timestamp("2024-03-01T09:00:00Z")
    assert accepted["promised_date"][0] == pd.Timestamp("2024-03-05")
    assert accepted.loc[1, ["weight_kg", "promised_date"]].isna().all()
    assert accepted["origin"][0] == "01067"


def test_whole_numbers_are_ids_and_places_too() -> None:
    frame = table(SHIPMENT, {}, {}).assign(shipment_id=[7, 8], origin=[10115.0, np.nan])
    checked = read_shipments(frame)
    assert list(checked.accepted["shipment_id"]) == ["7"]
    assert list(checked.accepted["origin"]) == ["10115"]
    assert list(checked.rejects["reason"]) == ["missing_origin"]


def test_the_first_sound_of_two_shipments_with_one_id_is_accepted() -> None:
    frame = table(
        SHIPMENT,
        {"shipment_id": "x", "origin": None},
        {"shipment_id": "x", "origin": "1"},
        {"shipment_id": " x ", "origin": "2"},
    )
    checked = read_shipments(frame)
    assert list(checked.accepted["origin"]) == ["1"]
    assert list(checked.rejects["reason"]) == ["missing_origin", "duplicate_shipment_id"]


def test_other_columns_are_kept_as_they_are() -> None:
    parts = [["a"], None, {"b": 1}]
    frame = table(SHIPMENT, {}, {"origin": None}, {}).assign(parts=parts, reason=[1, 2, 3])
    checked = read_shipments(frame)
    assert list(checked.accepted["parts"]) == [["a"], {"b": 1}]
    assert list(checked.accepted["reason"]) == [1, 3]
    assert list(checked.rejects["input_reason"]) == ["2"]
    assert list(checked.rejects["reason"]) == ["missing_origin"]


@pytest.mark.parametrize("missing", ["shipment_id", "ordered_at", "origin", "destination"])
def test_a_missing_column_is_named(missing: str) -> None:
    with pytest.raises(ContractError, match=f"lack column '{missing}'"):
        read_shipments(table(SHIPMENT, {}).drop(columns=missing))


def test_a_column_that_is_there_twice_is_refused() -> None:
    frame = table(SCAN, {})
    with pytest.raises(ContractError, match="more than once"):
        read_scans(pd.concat([frame, frame[["status"]]], axis=1))


@pytest.mark.parametrize("rule", [[], ["----"], ["----", "===="]])
@pytest.mark.parametrize("empty", [0, 1, 3])
def test_a_broken_line_behind_empty_rows_and_rules_leaves_all_rows_where_they_are(
    empty: int, rule: list[str], tmp_path: Path
) -> None:
    good, bad = "a,2025-03-01T10:00Z,picked_up,x", "b,never,picked_up,x"
    rows = [*rule, good, bad, *[",,,"] * empty, "cut,off"]
    for name in ("1", "2"):
        path = tmp_path / f"scans{name}.csv"
        path.write_text("\n".join(["shipment_id,scanned_at,status,facility", *rows]) + "\n")
    found = read_scans(tmp_path)
    assert found.rows is not None
    size = 3 + empty  # of a file, its rules left aside as empty lines are
    assert found.rows.tolist() == [0, size]
    told = dict(zip(found.rejects["row"], found.rejects["reason"], strict=True))
    assert set(told) == {*range(1, size), *range(size + 1, 2 * size)}
    for first in (0, size):
        assert told[first + 1] == "unreadable_scanned_at"
        assert told[first + size - 1] == "wrong_number_of_fields"


@pytest.mark.parametrize("name", ["status", "further"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_file_with_a_column_twice_is_refused_at_every_door(
    name: str, form: str, tmp_path: Path
) -> None:
    once = pa.Table.from_pandas(table(SCAN, {}).assign(further=1))
    doubled = once.append_column(name, once[name])
    path = tmp_path / f"scans.{form}"
    if form == "parquet":
        pq.write_table(doubled, path)
    else:
        with pa.ipc.new_file(path, doubled.schema) as writer:
            writer.write_table(doubled)
    doors = [read_scans, etapromise.check, lambda path: ingest(tmp_path / "store", scans=path)]
    doors += [lambda path: ingest(tmp_path / "store", path), read_shipments]
    if form == "parquet":
        doors.append(lambda path: list(parquet_tables(find_files(path, "scans"), "scans", 9)))
    for door in doors:
        with pytest.raises(ContractError, match=rf"column '{name}' more than once; rename one"):
            door(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("ordered_at", pd.Series([5])),
        ("shipment_id", pd.Series([True])),
        ("shipment_id", pd.Series([1.5])),
        ("weight_kg", pd.Series([True])),
        ("promised_date", pd.Series([20240305])),
        ("promised_date", pd.Series([pd.Timestamp("2024-03-05T01:00Z")])),
    ],
)
def test_a_column_of_a_wrong_type_is_refused(column: str, values: pd.Series[Any]) -> None:
    with pytest.raises(ContractError, match=f"column '{column}' is of type"):
        read_shipments(table(SHIPMENT, {}).assign(**{column: values}))


NAIVE = [
    pd.Series(["2024-03-01T10:00:00"], dtype="str"),
    pd.Series([pd.Timestamp("2024-03-01T10:00:00")]),
    pd.Series([dt.datetime(2024, 3, 1, 10)], dtype=object),  # noqa: DTZ001
]


@pytest.mark.parametrize("values", NAIVE)
def test_naive_times_are_refused_unless_their_zone_is_named(values: pd.Series[Any]) -> None:
    frame = table(SHIPMENT, {}).assign(ordered_at=values)
    with pytest.raises(ContractError, match="naive_time_zone="):
        read_shipments(frame)
    moment = read_shipments(frame, naive_time_zone="America/Sao_Paulo").accepted["ordered_at"][0]
    clock = moment.tz_convert("America/Sao_Paulo").tz_localize(None)
    assert clock == pd.Timestamp(values[0])


def test_one_naive_time_among_zoned_ones_is_not_taken_for_utc() -> None:
    aware = dt.datetime(2024, 3, 1, 10, tzinfo=dt.UTC)
    mixed = pd.Series([aware, aware.replace(tzinfo=None)], dtype=object)
    frame = table(SHIPMENT, {}, {}).assign(ordered_at=mixed)
    with pytest.raises(ContractError, match="without a time zone"):
        read_shipments(frame)
    accepted = read_shipments(frame, naive_time_zone="Asia/Tokyo").accepted
    hours = [moment.hour for moment in accepted["ordered_at"]]
    assert hours == [10, 1]


def test_hours_that_the_clock_skips_or_repeats() -> None:
    times = ["2024-03-31T02:30:00", "2024-10-27T02:30:00"]
    frame = table(SHIPMENT, *({"ordered_at": time} for time in times))
    accepted = read_shipments(frame, naive_time_zone="Europe/Berlin").accepted
    assert [str(moment) for moment in accepted["ordered_at"]] == [
        "2024-03-31 01:00:00+00:00",
        "2024-10-27 00:30:00+00:00",
    ]


def test_an_unknown_naive_zone_is_refused() -> None:
    with pytest.raises(ContractError, match="IANA"):
        read_shipments(table(SHIPMENT, {}), naive_time_zone="Berlin")


def test_parquet_csv_directory_frame_and_arrow_give_the_same(tmp_path: Path) -> None:
    frame = table(SHIPMENT, {}, {"origin_lat": None}, {"weight_kg": "-1"}, {"origin": "10, Rue\nX"})
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    (tmp_path / "many").mkdir()
    pq.write_table(arrow, tmp_path / "one.parquet")
    pq.write_table(arrow.slice(0, 2), tmp_path / "many" / "1.parquet")
    pq.write_table(arrow.slice(2), tmp_path / "many" / "2.parquet")
    frame.to_csv(tmp_path / "one.csv", index=False)
    expected = read_shipments(frame)
    for source in (arrow, tmp_path / "one.parquet", tmp_path / "many", str(tmp_path / "one.csv")):
        checked = read_shipments(source)
        assert_frame_equal(checked.accepted, expected.accepted)
        assert_frame_equal(checked.rejects, expected.rejects)


def test_typed_and_text_tables_give_the_same(tmp_path: Path) -> None:
    typed = read_shipments(table(SHIPMENT, {}, {"weight_kg": None})).accepted
    typed.to_csv(tmp_path / "typed.csv", index=False)
    categories = typed.astype({"origin": "category", "destination_time_zone": "category"})
    for source in (tmp_path / "typed.csv", categories, pa.Table.from_pandas(typed)):
        assert_frame_equal(read_shipments(source).accepted, typed)


@pytest.mark.parametrize("name", ["empty.csv", "empty.parquet"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ContractError, match="is empty"):
        read_scans(tmp_path / name)


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text(",".join(SCAN) + "\n")
    for source in (tmp_path / "header.csv", table(SCAN)):
        checked = read_scans(source)
        assert (len(checked.accepted), len(checked.rejects)) == (0, 0)
        assert str(checked.accepted["scanned_at"].dtype) == "datetime64[us, UTC]"
    assert len(read_shipments(table(SHIPMENT)).accepted) == 0


def test_a_parquet_file_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.parquet"
    table(SCAN, *[{}] * 1000).to_parquet(path)
    whole = path.read_bytes()
    for size in (3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ContractError, match="cut or damaged"):
            read_scans(path)


def test_a_csv_line_cut_in_the_middle_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "scans.csv"
    table(SCAN, {}, {}, {}).to_csv(path, index=False)
    lines = path.read_text().splitlines()
    lines[2] += ",one more"
    path.write_text("\n".join(lines)[:-40])
    checked = read_scans(path)
    assert list(checked.accepted["shipment_id"]) == ["s0"]
    assert list(checked.rejects["reason"]) == ["wrong_number_of_fields"] * 2
    assert list(checked.rejects["row"]) == [1, 2]
    assert "one more" in checked.rejects["detail"][0]
    assert "5 fields, expected 4" in checked.rejects["detail"][0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "found no file"),
        ("scans.pdf", "expected a .parquet or .csv"),
        ("scans.xlsx", "cut or damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, message: str) -> None:
    if name != "absent.csv":
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(ContractError, match=message):
        read_scans(tmp_path / name)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ContractError, match="found list"):
        read_scans([1, 2])  # type: ignore[arg-type]


def test_names_that_may_be_one_are_told_and_kept_apart() -> None:
    frame = table(
        SHIPMENT | {"carrier": None},
        {"carrier": "Swiftpost"},
        {"carrier": "Swift Post"},
        {"carrier": "SWIFT_POST"},
        {"carrier": "swifpost"},
        {"carrier": "depot 1"},
        {"carrier": "depot 2"},
        {"carrier": "n/a"},
    )
    checked = read_shipments(frame)
    assert set(checked.accepted["carrier"].dropna()) == {
        *("swiftpost", "swift-post", "swifpost", "depot-1", "depot-2")
    }
    notes = {note.reason: note for note in checked.notes}
    assert notes["spellings_carrier"].rows == 1
    assert "swift-post ~ swiftpost" in notes["near_names_carrier"].examples
    assert notes["placeholder_carrier"].rows == 1
    assert not any("depot" in pair for pair in notes["near_names_carrier"].examples)


def test_a_rejected_row_may_have_text_that_utf_8_has_not() -> None:
    table = pd.DataFrame(
        {
            "shipment_id": ["a"],
            "scanned_at": ["nonsense"],
            "status": ["delivered"],
            "vocabulary": ["standard"],
            "remark": pd.Series(["half a pair: \ud800"], dtype=object),
        }
    )
    rejects = read_scans(table).rejects
    assert rejects["reason"].tolist() == ["unreadable_scanned_at"]
    assert rejects["remark"].tolist() == ["half a pair: ?"]
