"""Names that are cut short are read by a rule, and what is short for something else is not."""

from __future__ import annotations

import pytest

from etapromise.tracking.column_names import is_about, names_of, place_in, plain_name, score_name

LEAST = 0.55


def best_of(name: str) -> str:
    fits = [
        (score_name(name, table, role), role)
        for table in ("shipments", "milestones")
        for role in names_of()[table]
    ]
    score, role = max(fits)
    return role if score >= LEAST else ""


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("DespDt", "picked_up"), ("ShpDt", "picked_up"), ("desp_dte", "picked_up")),
        *(("DlvDt", "delivered"), ("DelDt", "delivered"), ("PODDt", "delivered")),
        *(("OrdDt", "ordered_at"), ("ORD_DTE", "ordered_at"), ("OrdNo", "order_id")),
        *(("CnsgNo", "shipment_id"), ("TrkNo", "shipment_id"), ("ShptNbr", "shipment_id")),
        *(("DlvCtry", "destination_country"), ("DestCtry", "destination_country")),
        *(("Zust.Dat.", "delivered"), ("Vers.Dat.", "picked_up"), ("Auftr.Dat.", "ordered_at")),
        *(("SvcCd", "service"), ("CarrCd", "carrier"), ("Wght", "weight_kg")),
        *(("ExpDlvDt", "quoted_date"), ("CancDt", "cancelled")),
        *(
            ("deliver_ts.value", "delivered"),
            ("Ist-Liefertermin", "delivered"),
            ("deliver_before", ""),
        ),
        *(("PU_DT", "picked_up"), ("Fecha retiro", "picked_up")),
        *(("event", ""), ("utc", ""), ("Post", "")),
        *(("InvDt", ""), ("UpdDt", ""), ("ModDt", ""), ("PmtDt", ""), ("Cust", ""), ("Qty", "")),
    ],
)
def test_names_cut_short_are_read(name: str, role: str) -> None:
    assert best_of(name) == role


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(("PODDt", "pod dt"), ("IDs", "ids"), ("orderID", "order id"), ("XMLId", "xml id")),
        *(("ship_to.postalCode", "ship to postal code"), ("LAND1", "land1")),
    ],
)
def test_words_begin_at_capitals(name: str, words: str) -> None:
    assert plain_name(name) == words


@pytest.mark.parametrize("region", ["EDO. {}", "{} Bundesland", "Provincia {}"])
def test_a_warehouse_is_never_where_a_parcel_goes(region: str) -> None:
    for sender, recipient in (("ALMACÉN", "DESTINO"), ("Lager", "Ziel"), ("magazzino", "arrivo")):
        assert place_in(region.format(sender)) == ("sender", "region")
        assert place_in(region.format(recipient)) == ("recipient", "region")


@pytest.mark.parametrize("name", ["Última actualización", "Son Güncelleme", "最終更新日時"])
def test_when_a_state_began_is_said_in_many_languages(name: str) -> None:
    assert is_about(name, "changed")
