"""Tables as other countries and shops write them: read truly, asked about, or refused."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.operations.checking.check_report import CheckReport
from etapromise.operations.checking.checking import check, own_tables
from etapromise.tracking import TrackedHistory, history
from etapromise.tracking.time_words import plain_time
from tests.tracking.own_shapes import HOME, aware, parcels
from tests.tracking.test_own_shapes import dates, local_dates

Write = Callable[[dt.datetime], str]
ARABIC = str.maketrans("0123456789", "".join(chr(0x660 + k) for k in range(10)))
DEVANAGARI = str.maketrans("0123456789", "".join(chr(0x966 + k) for k in range(10)))
WIDE = str.maketrans("0123456789/-:", "".join(chr(0xFEE0 + ord(c)) for c in "0123456789/-:"))
SPANISH = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre"),
    *("octubre", "noviembre", "diciembre"),
)


def _clock(time: dt.datetime) -> str:
    return f"{time.hour}:{time.minute:02d}"


def _twelve(time: dt.datetime) -> str:
    return f"{(time.hour - 1) % 12 + 1}:{time.minute:02d}"


# How a moment and a day are written, and the form that one format can read.
TIMES: dict[str, tuple[Write, Write]] = {
    "japanese": (
        lambda t: f"{t.year}年{t.month}月{t.day}日 {t.hour}時{t.minute:02d}分",
        lambda t: f"{t.year}年{t.month}月{t.day}日",
    ),
    "era": (
        lambda t: f"令和{t.year - 2018}年{t.month}月{t.day}日 {_clock(t)}",
        lambda t: f"令和{t.year - 2018}年{t.month}月{t.day}日",
    ),
    "korean": (
        lambda t: f"{t:%Y-%m-%d} {'오전' if t.hour < 12 else '오후'} {_twelve(t)}",
        lambda t: f"{t.year}년 {t.month}월 {t.day}일",
    ),
    "chinese": (
        lambda t: f"{t.year}/{t.month}/{t.day} {_clock(t)}",
        lambda t: f"{t.year}/{t.month}/{t.day}",
    ),
    "arabic": (
        lambda t: f"{t:%d/%m/%Y %H:%M}".translate(ARABIC),
        lambda t: f"{t:%d/%m/%Y}".translate(ARABIC),
    ),
    "hindi": (
        lambda t: f"{t:%d-%m-%Y %H:%M}".translate(DEVANAGARI),
        lambda t: f"{t:%d-%m-%Y}".translate(DEVANAGARI),
    ),
    "wide": (
        lambda t: f"{t:%Y/%m/%d %H:%M}".translate(WIDE),
        lambda t: f"{t:%Y/%m/%d}".translate(WIDE),
    ),
    "hungarian": (lambda t: f"{t:%Y. %m. %d. %H:%M}", lambda t: f"{t:%Y. %m. %d.}"),
    "spanish": (
        lambda t: f"{t.day} de {SPANISH[t.month - 1]} de {t.year} {t:%H:%M} hs.",
        lambda t: f"{t.day} de {SPANISH[t.month - 1]} de {t.year}",
    ),
    "american": (
        lambda t: f"{t.month}/{t.day}/{t:%y} {_twelve(t)}{'am' if t.hour < 12 else 'pm'}",
        lambda t: f"{t:%b-%d-%y}",
    ),
    "ctime": (lambda t: f"{t:%a %b %e %H:%M:%S} CET {t:%Y}", lambda t: f"{t:%b %e %Y}"),
    "database": (
        lambda t: f"{t:%d-%b-%y %I.%M.%S}.000000000 {t:%p}".upper(),
        lambda t: f"{t:%d-%b-%y}".upper(),
    ),
    "abbreviated zone": (lambda t: f"{t:%d-%b-%Y %I:%M %p} CET", lambda t: f"{t:%d-%b-%Y}"),
}

# What the columns are called, and how the file is encoded.
HEADERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "japanese": (
        "cp932",
        (
            "受注番号",
            "受注日時",
            "出荷日",
            "配達完了日",
            "お荷物伝票番号",
            "郵便番号",
            "国",
            "配送会社",
        ),
    ),
    "korean": (
        "cp949",
        (
            "주문번호",
            "주문일시",
            "출고일",
            "배송완료일",
            "운송장번호",
            "우편번호",
            "국가",
            "택배사",
        ),
    ),
    "chinese": (
        "gbk",
        ("订单编号", "下单时间", "发货时间", "签收时间", "运单号", "邮编", "国家", "快递公司"),
    ),
    "turkish": (
        "cp1254",
        (
            *("Sipariş No", "Sipariş Tarihi", "Kargoya Veriliş Tarihi", "Teslim Tarihi"),
            *("Kargo Takip No", "Posta Kodu", "Ülke", "Kargo Firmas\u0131"),
        ),
    ),
    "russian": (
        "cp1251",
        (
            *("Номер заказа", "Дата заказа", "Дата отгрузки", "Дата доставки"),
            *("Трек-номер", "Индекс", "Страна", "Служба доставки"),
        ),
    ),
    "hungarian": (
        "cp1250",
        (
            *("Rendelésszám", "Rendelés dátuma", "Feladás dátuma", "Kézbesítés dátuma"),
            *("Csomagszám", "Irányítószám", "Ország", "Futár"),
        ),
    ),
    "english": (
        "utf-8-sig",
        (
            *("Order ID", "Order Date", "Shipped Date", "Delivered Date"),
            *("Tracking Number", "Postal Code", "Country", "Courier"),
        ),
    ),
}


def table(truth: pd.DataFrame, headers: tuple[str, ...], times: str) -> pd.DataFrame:
    moment, day = TIMES[times]
    columns = (
        [f"A{n}" for n in range(len(truth))],
        [moment(t) for t in truth["ordered"]],
        [day(t) for t in truth["picked"]],
        ["" if pd.isna(t) else day(t) for t in truth["delivered"]],
        truth["id"],
        truth["postcode"],
        truth["country"],
        truth["carrier"],
    )
    return pd.DataFrame(dict(zip(headers, columns, strict=True)))


def read_by_proposal(files: list[Path], folder: Path) -> tuple[CheckReport, TrackedHistory]:
    mapping = folder / "mapping.toml"
    found = check(files, write_mapping=mapping, quality=False)
    assert found.failure is None, (found.failure, found.proposal and found.proposal.questions)
    mapping.write_text(found.text or "", encoding="utf-8")
    return found, history(mapping=mapping)


def assert_true(read: TrackedHistory, truth: pd.DataFrame) -> None:
    true = truth.set_index("id").loc[read.shipments["shipment_id"]]
    assert len(true) == len(truth)
    assert local_dates(read.shipments["ordered_at"], HOME) == dates(true["ordered"])
    assert local_dates(read.milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(read.milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    places = true["postcode"].str.removeprefix("LT-")
    assert read.shipments["destination"].tolist() == places.tolist()


@pytest.mark.parametrize(
    ("headers", "times"),
    [
        *((name, name) for name in ("japanese", "korean", "chinese", "hungarian")),
        *(("japanese", "era"), ("turkish", "spanish"), ("russian", "hungarian")),
        *(
            ("english", name)
            for name in ("arabic", "hindi", "wide", "spanish", "american", "abbreviated zone")
        ),
        *(("english", name) for name in ("ctime", "database")),
    ],
)
def test_tables_of_many_countries_are_read_truly(headers: str, times: str, tmp_path: Path) -> None:
    truth = parcels(7, 150)
    truth = truth[truth["country"] == "PL"].reset_index(drop=True)
    encoding, names = HEADERS[headers]
    own = table(truth, names, times)
    encoded = own.to_csv(index=False).encode(encoding, "strict")
    (tmp_path / "own.csv").write_bytes(encoded)
    _, read = read_by_proposal([tmp_path / "own.csv"], tmp_path)
    assert_true(read, truth)
    assert read.shipments["order_id"].tolist() == own.iloc[:, 0].tolist()
    assert read.shipments["carrier"].nunique() == truth["carrier"].nunique()


@given(
    moment=st.datetimes(dt.datetime(2019, 5, 1), dt.datetime(2040, 1, 1)),  # noqa: DTZ001
    written=st.sampled_from(sorted(TIMES)),
)
def test_a_time_in_words_is_the_time_that_was_meant(moment: dt.datetime, written: str) -> None:
    moment = moment.replace(second=0, microsecond=0)
    plain = plain_time(TIMES[written][0](moment))
    forms = (
        *("%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M %p", "%Y/%m/%d %H:%M", "%d/%m/%Y %H:%M"),
        *("%d-%m-%Y %H:%M", "%d %b %Y %H:%M", "%m/%d/%y %I:%M%p", "%d-%b-%Y %I:%M %p CET"),
        *("%b %d %Y %H:%M:%S CET", "%d-%b-%y %I.%M.%S.%f %p"),
    )
    read = []
    for form in forms:
        try:
            read.append(dt.datetime.strptime(plain, form))  # noqa: DTZ007
        except ValueError:
            continue
    # The first that fits: one day-first and one month-first form may both.
    assert moment in read
    assert plain_time(plain) == plain


@pytest.mark.parametrize("unreadable", ["Q3 2025", "week of 2025/33/41", "31.31.2025 10:00"])
def test_times_that_cannot_be_read_are_nothing_else(unreadable: str, tmp_path: Path) -> None:
    """A column of unreadable times is no id, no region and no postcode, and is asked about."""
    truth = parcels(8, 60)
    own = table(truth, HEADERS["english"][1], "chinese")
    own["Order Date"] = [unreadable.replace("10", f"{n % 24:02d}") for n in range(len(own))]
    own.drop(columns="Order ID").to_csv(tmp_path / "own.csv", index=False)
    found = check([tmp_path / "own.csv"], quality=False)
    assert found.proposal is not None
    for role in ("order_id", "shipment_id", "destination_region", "destination"):
        taken = found.proposal.columns.get(role)
        assert taken is None or taken.column != "Order Date", role
    assert any("Order Date" in question for question in found.proposal.questions)


def orders(truth: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Order": [f"A{n}" for n in range(len(truth))],
            "Order date": [t.isoformat() for t in aware(truth["ordered"], HOME)],
            "Tracking number": truth["id"],
            "Postcode": truth["postcode"],
            "Country": truth["country"],
            "Courier": truth["carrier"],
            "Shipped": truth["picked"].dt.strftime("%Y-%m-%d"),
            "Delivered": truth["delivered"].dt.strftime("%Y-%m-%d"),
        }
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Estimated delivery date", "Maximum Estimated Delivery Date", "Deliver by"),
        *("Voraussichtliche Zustellung", "Date de livraison prévue", "Previsão de entrega"),
        *("Fecha de entrega estimada", "Planowana data dostawy", "配達予定日", "预计签收时间"),
    ],
)
def test_what_is_expected_has_not_happened(name: str, tmp_path: Path) -> None:
    truth = parcels(9, 60)
    own = orders(truth).rename(columns={"Delivered": name})
    own.to_csv(tmp_path / "own.csv", index=False)
    found = check([tmp_path / "own.csv"], quality=False)
    assert found.proposal is not None
    assert found.proposal.milestones["delivered"].column is None
    assert "when parcels were delivered" in " ".join(found.proposal.questions)


def test_totals_and_blank_rows_at_the_end_are_no_parcels(tmp_path: Path) -> None:
    truth = parcels(10, 40)
    truth.loc[truth.index[-1], "delivered"] = pd.NaT
    text = orders(truth).to_csv(index=False)
    (tmp_path / "own.csv").write_text(f"{text}Total,40,,,,,,2026-01-01\n" + ",,,,,,,\n" * 300)
    found, read = read_by_proposal([tmp_path / "own.csv"], tmp_path)
    assert found.proposal is not None
    assert "fill_down" not in found.proposal.settings
    assert_true(read, truth)
    account = read.accounts[0]
    assert len(account.rejects) == 1
    assert any("300 rows at the end" in str(note) for note in account.notes)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (lambda kg: f"{kg:.3f}".replace(".", ","), "read"),
        (lambda kg: f"{1 + kg % 1:.3f}".replace(".", ","), "left out"),
        (lambda kg: f"{kg:.2f}".replace(".", ","), "read"),
        (lambda kg: f"{kg:.3f}".replace(".", "\u066b").translate(ARABIC), "read"),
        (lambda kg: f"{kg:.3f} kg", "read"),
    ],
)
def test_a_comma_before_three_digits_is_told_by_the_others_or_left_out(
    written: Callable[[float], str], expected: str, tmp_path: Path
) -> None:
    truth = parcels(11, 80)
    own = orders(truth).assign(**{"Weight (kg)": [written(kg) for kg in truth["kg"]]})
    own.to_csv(tmp_path / "own.csv", index=False)
    if expected == "left out":
        found = check([tmp_path / "own.csv"], quality=False)
        assert found.proposal is not None
        assert "comma" in found.proposal.left_out["weight_kg"].asked
        return
    _, read = read_by_proposal([tmp_path / "own.csv"], tmp_path)
    true = truth.set_index("id").loc[read.shipments["shipment_id"]]
    assert np.allclose(read.shipments["weight_kg"], true["kg"], atol=0.006)


@pytest.mark.parametrize("differ", [False, True])
def test_two_columns_for_one_thing_are_chosen_or_asked(
    differ: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    truth = parcels(12, 80)
    later = truth["delivered"] + pd.Timedelta(days=int(differ))
    own = orders(truth).assign(
        **{
            "Delivery date": later.dt.strftime("%d.%m.%Y"),
            "Country code": "SE" if differ else truth["country"],
        }
    )
    own["Country"] = own["Country"].map(
        {"PL": "Polska", "FI": "Finland", "IE": "Ireland", "LT": "Lietuva"}
    )
    own.to_csv(tmp_path / "own.csv", index=False)
    if not differ:
        assert_true(read_by_proposal([tmp_path / "own.csv"], tmp_path)[1], truth)
        return
    found = check([tmp_path / "own.csv"], quality=False)
    assert found.proposal is not None
    asked = " ".join(found.proposal.questions)
    for one, other in (("Delivered", "Delivery date"), ("Country", "Country code")):
        assert f"{one!r} and {other!r}" in asked or f"{other!r} and {one!r}" in asked
    assert "keep one of them" in asked


def shop_record(parcel: Any, n: int) -> dict[str, Any]:
    """An order as an interface of a shop gives it: two addresses, lists of one."""
    address = {"postcode": parcel.postcode, "country_id": parcel.country}
    moment = parcel.ordered.tz_localize(HOME).tz_convert("UTC")
    return {
        "increment_id": f"{n:09d}",
        "entity_id": n,
        "status": "complete",
        "created_at": f"{moment:%Y-%m-%d %H:%M:%S}",
        "billing_address": {"postcode": "99999", "country_id": "SE"},
        "items": [{"sku": "mug"}, {"sku": "cap"}][: 1 + n % 2],
        "extension_attributes": {"shipping_assignments": [{"shipping": {"address": address}}]},
        "tracks": [{"track_number": parcel.id, "title": parcel.carrier}],
    }


def test_the_address_is_that_of_the_delivery_and_the_clock_that_of_the_system(
    tmp_path: Path,
) -> None:
    truth = parcels(13, 120)
    records = [shop_record(parcel, n) for n, parcel in enumerate(truth.itertuples(), 1)]
    (tmp_path / "orders.json").write_text(json.dumps({"items": records, "total_count": 120}))
    events = [("picked", "PickedUp", HOME), ("delivered", "Delivered", truth["zone"])]
    scans = pd.concat(
        pd.DataFrame(
            {
                "tracking_number": truth["id"],
                "tag": tag,
                "checkpoint_time": [
                    None if pd.isna(t) else t.isoformat() for t in aware(truth[name], zones)
                ],
            }
        )
        for name, tag, zones in events
    ).dropna()
    scans.to_csv(tmp_path / "scans.csv", index=False)
    tables = own_tables([tmp_path / "orders.json", tmp_path / "scans.csv"])
    assert {one.rows for one in tables} >= {"", "items"}
    found, read = read_by_proposal([tmp_path / "orders.json", tmp_path / "scans.csv"], tmp_path)
    assert found.proposal is not None
    assert found.proposal.scans is not None
    assert found.proposal.scans.files[0].endswith("scans.csv")
    assert_true(read, truth)


def test_a_billing_address_alone_is_told(tmp_path: Path) -> None:
    truth = parcels(14, 40)
    own = orders(truth).rename(columns={"Postcode": "Billing Zip", "Country": "Billing Country"})
    own.to_csv(tmp_path / "own.csv", index=False)
    found = check([tmp_path / "own.csv"], quality=False)
    assert found.proposal is not None
    assert found.proposal.columns["destination"].column == "Billing Zip"
    assert any("where the bill goes" in sentence for sentence in found.proposal.told)
