"""One normal form for what is written in many ways."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import normal_number, read_number
from etapromise.normal_forms.places import _stated, is_region, normal_country, normal_region
from etapromise.normal_forms.postcodes import lost_zeros, normal_postcode
from etapromise.normal_forms.remembered import NAMES, PLACES, POSTCODES
from etapromise.normal_forms.texts import normal_name, normal_text
from etapromise.normal_forms.zones import zone_at, zone_name, zone_of_country, zone_of_region
from etapromise.tracking import read_shipments


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Post NL", "post-nl"),
        ("POST_NL", "post-nl"),
        (" post\u2013nl\u00a0", "post-nl"),
        ("P.o.s.t. NL", "post-nl"),
        (b"Post NL", "post-nl"),
        (np.str_("post\u200b nl"), "post-nl"),
        ("post\x1dnl", "postnl"),
        ("日本郵便", "日本郵便"),
        (12.0, "12"),
        ("N/A", None),
        (" -- ", None),
        (float("nan"), None),
        (pd.NA, None),
        (None, None),
        ("", None),
    ],
)
def test_names(written: Any, name: str | None) -> None:
    assert normal_name(written) == name
    assert NAMES[written] == (name or "")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(("fr", "FR"), ("FRA", "FR"), ("250", "FR"), ("Frankreich", "FR"), ("Francia", "FR")),
        *(("フランス", "FR"), ("La France", "La France"), ("U.K.", "GB"), ("Great Britain", "GB")),
        *(("Sverige", "SE"), ("Ruotsi", "SE"), ("Hellas", "GR"), ("el", "GR"), ("NA", "NA")),
        *(("Namibia", "NA"), ("n/a", None), ("Atlantis", "Atlantis"), ("ZQ", "ZQ")),
        *(("D", "DE"), ("a", "AT"), ("Germany (DE)", "DE"), ("US - United States", "US")),
        *(("Netherlands, The", "NL"), ("Egypt, Arab Rep.", "EG"), ("Congo, Dem. Rep.", "CD")),
        *(("Congo, DRC", "CD"), ("Yemen, Rep.", "YE"), ("EE. UU.", "US"), ("Republic", "Republic")),
        *(("Virgin Islands (US)", "Virgin Islands (US)"), ("X", "X")),
        *(("Korea, Republic of", "KR"), ("Côte d'Ivoire", "CI"), ("Cote d\u2019Ivoire", "CI")),
    ],
)
def test_countries(written: str, code: str | None) -> None:
    assert normal_country(written) == code


@pytest.mark.parametrize(
    ("written", "country", "code"),
    [
        *(("Hessen", "DE", "HE"), ("de-he", "DE", "HE"), ("he", "DE", "HE"), ("Hesse", "DE", "HE")),
        *(("Oregon", "US", "OR"), ("US-OR", "US", "OR"), ("or", "US", "OR"), ("1", "FR", "01")),
        *(("Ceará", "BR", "CE"), ("ceara", "BR", "CE"), ("Wonderland", "US", "Wonderland")),
        *(("Hessen", None, "Hessen"), ("NULL", "DE", None), ("Steiermark", "AT", "6")),
    ],
)
def test_regions(written: str, country: str | None, code: str | None) -> None:
    assert normal_region(written, country) == code


@pytest.mark.parametrize(
    ("written", "country", "form"),
    [
        *(("'04109", "DE", "04109"), ("4109", "DE", "04109"), (4109.0, "DE", "04109")),
        *(("D-04109", "DE", "04109"), ("٠٤١٠٩", "DE", "04109"), ("0\uff14109", "DE", "04109")),
        *(("2139", "US", "02139"), ("02139-4301", "US", "02139"), ("021394301", "US", "02139")),
        *(("k1a\u00a00b1", "CA", "K1A 0B1"), ("K1A-0B1", "CA", "K1A 0B1")),
        *(("ec1a1bb", "GB", "EC1A 1BB"), ("1017ab", "NL", "1017 AB"), ("31150", "SE", "311 50")),
        *(
            ("4000008", "PT", "4000-008"),
            ("1001000", "BR", "01001-000"),
            ("600000", "JP", "060-0000"),
        ),
        *(
            ("1", "ZA", "0001"),
            ("1", "NO", "1"),
            ("123", "AT", "123"),
            ("depot 7", "US", "depot 7"),
            ("4109", None, "4109"),
        ),
        *(("1", "PL", "00-001"), ("31042", "PL", "31-042"), ("2", "DE", "2")),
        *(("8001 Zürich", "CH", "8001"), ("00-001 Warszawa", "PL", "00-001")),
        *(("New York NY 10001", "US", "10001"), ("SW1A 1AA London", "GB", "SW1A 1AA")),
        *(
            ("Zürich", "CH", "Zürich"),
            ("Depot 8001", "CH", "Depot 8001"),
            ("1 Oslo", "NO", "1 Oslo"),
        ),
        ("n/a", "DE", None),
    ],
)
def test_postcodes(written: Any, country: str | None, form: str | None) -> None:
    assert normal_postcode(written, country) == form
    if isinstance(written, str):
        assert POSTCODES[written, country or ""] == (form or "")
        # An end of a way is its parts, asked for the first time and again.
        assert PLACES[written, None, country].split("\0")[0] == (form or "")
        assert PLACES[written, None, country].split("\0")[0] == (form or "")


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=12), country=st.sampled_from(("", "DE", "US", "CA", "GB", "PL")))
def test_a_normal_form_is_its_own(text: str, country: str) -> None:
    try:
        forms = normal_text(text), normal_name(text), normal_postcode(text, country)
    except ContractError:
        return
    again = tuple(
        form if form is None else shape(form)
        for form, shape in zip(
            forms,
            (normal_text, normal_name, lambda form: normal_postcode(form, country)),
            strict=True,
        )
    )
    assert again == forms


def test_lost_zeros_are_told_from_other_changes() -> None:
    assert lost_zeros("4109", "04109")
    assert not lost_zeros("04109", "04109")
    assert not lost_zeros("104 31", "10431")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *(
            ("2,75", 2.75),
            ("0.4 kg", 0.4),
            ("750 g", 0.75),
            ("1.234,5", 1234.5),
            ("1 234,5", 1234.5),
        ),
        *(("1,234.5", 1234.5), ("٢", 2.0), ("1e2", 100.0), ("2,500", None), ("1_0", None)),
        *(("0x1F", None), ("heavy", None), ("1,2,3", None), ("3 stone", None)),
    ],
)
def test_numbers(written: str, number: float | None) -> None:
    assert read_number(written, unit="kg") == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize("value", [True, "2,500", [1.0], Decimal(-1), -0.1, float("inf"), "x"])
def test_what_is_no_weight_is_refused(value: Any) -> None:
    with pytest.raises(ContractError, match="weight_kg="):
        normal_number("weight_kg", value)


@pytest.mark.parametrize("value", [2**53 + 2.0, 4.2e17, np.float64(1e16)])
def test_a_float_that_lost_digits_is_no_code(value: float) -> None:
    with pytest.raises(ContractError, match="lost digits"):
        normal_text(value)


def test_zones_of_places() -> None:
    assert zone_of_country("NO") == ("Europe/Oslo", True)
    assert zone_of_country("BR") == ("America/Sao_Paulo", False)
    assert zone_of_region("BR", "AM") == "America/Manaus"
    assert zone_of_region("CA", "AB") == "America/Edmonton"
    assert zone_at(31.76, -106.49) == "America/Denver"
    assert zone_at(0, 0) is None
    assert zone_at(91, 0) is None
    assert zone_name("america/sao paulo") == "America/Sao_Paulo"
    assert zone_name("UTC+02:00") == "Etc/GMT-2"
    assert zone_name("CET") is None
    assert zone_name("W. Europe Standard Time") == "Europe/Berlin"


RAW = (
    *("60449", " 60449 ", "60449\u00a0", b"60449", 60449, 60449.0, np.int64(60449), "'60449"),
    *(
        Decimal(60449),
        np.float32(60449),
        "60449-1234",
        "\uff16\uff10\uff14\uff14\uff19",
        "60449.0",
        "N/A",
        None,
    ),
)


@pytest.mark.parametrize("value", RAW)
def test_two_doors_give_one_answer(model: PromiseModel, value: Any) -> None:
    """What is handed to `promise` and what comes through a table is the same promise."""
    ordered_at = dt.datetime(2025, 7, 2, 15, tzinfo=dt.UTC)
    fields = {
        "origin": "60492",
        "origin_country": "us",
        "destination": value,
        "destination_country": "United States",
        "destination_region": "illinois",
        "carrier": " ACME ",
        "service": b"Ground",
        "weight_kg": "1,25",
        "ordered_at": ordered_at,
    }
    one = model.promise(**fields)
    if value in {"N/A", None}:
        return
    row = {"shipment_id": "r", **{name: [field] for name, field in fields.items()}}
    checked = read_shipments(pd.DataFrame(row).astype({"service": "str", "destination": "str"}))
    plain = model.promise(
        **fields
        | {"destination": "60449", "destination_country": "US", "destination_region": "IL"}
        | {"origin_country": "US", "carrier": "acme", "service": "ground", "weight_kg": 1.25}
    )
    assert one.date == plain.date
    np.testing.assert_array_equal(one.distribution()[1], plain.distribution()[1])
    if not isinstance(value, bytes):
        accepted = checked.accepted
        assert accepted["destination"][0] == "60449"
        assert accepted["destination_country"][0] == "US"
        assert accepted["carrier"][0] == "acme"


def test_no_other_name_of_a_region_is_the_code_of_another() -> None:
    for country, names in _stated()["regions"].items():
        assert not [name for name in names if is_region(name, country)]
        assert all(is_region(code, country) for code in names.values())


@pytest.mark.parametrize("name", ["destination_lat", "origin_lat"])
def test_a_promise_checks_what_tables_check(model: PromiseModel, name: str) -> None:
    fields = {
        "origin": "60492",
        "destination": "60449",
        "ordered_at": dt.datetime(2025, 7, 2, tzinfo=dt.UTC),
    }
    said = [one["text"] for one in model.promise(**fields, **{name: 999}).messages]
    assert [text for text in said if f"{name}=999" in text]
    nowhere = {name: 0, name.replace("lat", "lon"): 0}
    assert model.promise(**fields, **nowhere).distribution()[1].tolist() == (
        model.promise(**fields).distribution()[1].tolist()
    )
    placeholder = model.promise(**fields, quoted_date="1900-01-01")
    assert placeholder.distribution()[1].tolist() == (
        model.promise(**fields).distribution()[1].tolist()
    )


@pytest.mark.parametrize(
    ("country", "said", "code"),
    [
        ("JP", "東京都", "13"),
        ("JP", "Kanagawa Prefecture", "14"),
        ("KR", "부산광역시", "26"),
        ("CN", "广东", "GD"),
        ("US", "カリフォルニア州", "CA"),
        ("DE", "Freistaat Bayern", "BY"),
        ("PL", "woj. mazowieckie", "14"),
        ("MX", "CDMX", "CMX"),
        ("CA", "B.C.", "BC"),
        ("CA", "PQ", "QC"),
        ("CA", "Que.", "QC"),
        ("MX", "Edo. Mex.", "MEX"),
        ("MX", "NL", "NLE"),
        ("IN", "Orissa", "OD"),
        ("IN", "OR", "OD"),
        ("KR", "Seoul", "11"),
        ("KR", "Gyeonggi", "41"),
        ("SA", "Riyadh", "01"),
        ("AE", "Dubai", "DU"),
        ("BR", "Rio Grande do Sul", "RS"),
        ("US", "Washington", "WA"),
        # A city and the province around it have one name: only the exact one is read.
        ("MX", "Estado de México", "MEX"),
        ("MX", "Ciudad de México", "CMX"),
    ],
)
def test_a_region_is_known_with_and_without_the_word_for_its_kind(country, said, code):
    assert normal_region(said, country) == code


def test_nothing_is_nothing_in_other_languages() -> None:
    for said in ("#N/D", "#NV", "s/d", "Ninguno", "aucun", "keine", "нет", "無", "なし"):
        assert normal_text(said) is None, said
    assert normal_text("Keinemann") == "Keinemann"


@pytest.mark.parametrize("word", ["(unbekannt)", "Non renseigné", "不明", "(not set)"])
def test_a_word_for_unknown_is_no_name(word: str) -> None:
    assert normal_text(word) is None
