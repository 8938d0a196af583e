"""Vendors' payloads, written after their documentation, as scans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.tracking import read_scans
from etapromise.tracking.payloads import PAYLOADS, is_of, payload_vendor, scans_of_payload
from etapromise.tracking.vocabularies import vocabularies

AFTERSHIP = {
    "event": "tracking_update",
    "msg": {
        "tracking_number": "A1",
        "slug": "dpd",
        "checkpoints": [
            {
                "slug": "dpd",
                "checkpoint_time": "2026-03-02T09:15:00+01:00",
                "created_at": "2026-03-02T08:20:00+00:00",
                "tag": "InTransit",
                "subtag": "InTransit_002",
                "city": "Kassel",
            },
            {
                "checkpoint_time": "2026-03-04",
                "tag": "Delivered",
                "subtag": "Delivered_077",
            },
        ],
    },
}
EASYPOST = {
    "object": "Event",
    "result": {
        "object": "Tracker",
        "tracking_code": "A1",
        "carrier": "USPS",
        "tracking_details": [
            {
                "datetime": "2026-03-02T08:15:00Z",
                "status": "in_transit",
                "status_detail": "received_at_origin_facility",
                "tracking_location": {"city": "RENO", "state": "NV", "zip": "89501"},
            },
            {
                "datetime": "2026-03-04T18:00:00Z",
                "status": "delivered",
                "status_detail": "arrived_at_destination",
                "tracking_location": {},
            },
        ],
    },
}
SEVENTEEN = {
    "event": "TRACKING_UPDATED",
    "data": {
        "number": "A1",
        "track_info": {
            "tracking": {
                "providers": [
                    {
                        "provider": {"name": "GLS"},
                        "events": [
                            {
                                "time_utc": "2026-03-02T08:15:00Z",
                                "sub_status": "InTransit_PickedUp",
                                "location": "Lyon",
                            },
                            {"time_utc": "2026-03-04T18:00:00Z", "sub_status": "Delivered_Other"},
                        ],
                    }
                ]
            }
        },
    },
}
SHIPPO = {
    "event": "track_updated",
    "data": {
        "tracking_number": "A1",
        "carrier": "ups",
        "tracking_history": [
            {
                "status": "TRANSIT",
                "substatus": {"code": "package_accepted"},
                "status_date": "2026-03-02T08:15:00Z",
                "location": {"city": "Boise", "state": "ID"},
            },
            {"status": "DELIVERED", "status_date": "2026-03-04T18:00:00Z", "location": None},
        ],
    },
}
SHIPENGINE = {
    "resource_type": "API_TRACK",
    "data": {
        "tracking_number": "A1",
        "carrier_code": "fedex",
        "events": [
            {
                "occurred_at": "2026-03-02T08:15:00Z",
                "status_code": "IT",
                "status_detail_code": "PICKED_UP",
            },
            {
                "occurred_at": "2026-03-04T18:00:00Z",
                "status_code": "DE",
                "status_detail_code": "DELIVERED",
            },
        ],
    },
}
UPS = {
    "trackResponse": {
        "shipment": [
            {
                "package": [
                    {
                        "trackingNumber": "A1",
                        "activity": [
                            {
                                "date": "20260302",
                                "time": "091500",
                                "gmtDate": "20260302",
                                "gmtTime": "08:15:00",
                                "status": {"type": "P", "statusCode": "OR"},
                                "location": {"address": {"city": "Gent"}},
                            },
                            {"date": "20260304", "time": "180000", "status": {"type": "D"}},
                        ],
                    }
                ]
            }
        ]
    }
}
FEDEX = {
    "output": {
        "completeTrackResults": [
            {
                "trackingNumber": "A1",
                "trackResults": [
                    {
                        "scanEvents": [
                            {"date": "2026-03-02T09:15:00+01:00", "derivedStatusCode": "PU"},
                            {"date": "2026-03-04T18:00:00+01:00", "eventType": "DL"},
                        ]
                    }
                ],
            }
        ]
    }
}
USPS = {
    "trackingNumber": "A1",
    "trackingEvents": [
        {"eventCode": "03", "GMTTimestamp": "2026-03-02T08:15:00", "eventCity": "RENO"},
        {"eventCode": "01", "GMTTimestamp": "2026-03-04T18:00:00Z"},
    ],
}
DHL = {
    "shipments": [
        {
            "id": "A1",
            "service": "parcel-de",
            "events": [
                {"timestamp": "2026-03-02T09:15:00+01:00", "statusCode": "transit"},
                {"timestamp": "2026-03-04T18:00:00+01:00", "statusCode": "delivered"},
            ],
        }
    ]
}
KARRIO = {
    "type": "tracker_updated",
    "data": {
        "tracking_number": "A1",
        "carrier_name": "canadapost",
        "status": "delivered",
        "events": [
            {"timestamp": "2026-03-02T08:15:00.000Z", "status": "picked_up"},
            {"timestamp": "2026-03-04T18:00:00.000Z", "status": "delivered"},
        ],
    },
}
ROYAL_MAIL = {
    "mailPieces": {
        "mailPieceId": "090367574000000FE1E1B",
        "carrierShortName": "RM",
        "summary": {"oneDBarcode": "A1", "lastEventCode": "EVKOP"},
        "events": [
            {
                "eventCode": "EVDAC",
                "eventDateTime": "2026-03-02T08:15:00+00:00",
                "locationName": "Stafford DO",
            },
            {"eventCode": "EVKOP", "eventDateTime": "2026-03-04T18:00:00+00:00"},
        ],
    }
}
FOUR_PX = {
    "result": 1,
    "data": [
        {
            "queryCode": "A1",
            "tracks": [
                {
                    "tkCode": "FPX_C_SPLS",
                    "tkDate": "2026-03-02T08:15:00.000+0000",
                    "tkLocation": "DongGuan",
                },
                {"tkCode": "FPX_S_OK", "tkDate": "2026-03-04T18:00:00.000+0000"},
            ],
        }
    ],
}
CDEK = {
    "entity": {
        "cdek_number": "A1",
        "statuses": [
            {
                "code": "RECEIVED_AT_SHIPMENT_WAREHOUSE",
                "date_time": "2026-03-02T15:15:00+0700",
                "city": "Novosibirsk",
            },
            {"code": "DELIVERED", "date_time": "2026-03-04T15:15:00+0700"},
        ],
    }
}
SHIPROCKET = {
    "awb": "A1",
    "courier_name": "Delhivery Surface",
    "current_status": "Delivered",
    "shipment_status_id": 7,
    "scans": [
        {"date": "2026-03-02 13:45:00", "sr-status": "42", "location": "Pune"},
        {"date": "2026-03-04 13:45:00", "sr-status": "7", "location": "Mumbai"},
    ],
}
SHIP24 = {
    "data": {
        "trackings": [
            {
                "tracker": {"trackerId": "7", "trackingNumber": "A1"},
                "shipment": {"shipmentId": "8", "statusMilestone": "delivered"},
                "events": [
                    {
                        "datetime": "2026-03-02T09:15:00",
                        "utcOffset": "+01:00",
                        "occurrenceDatetime": "2026-03-02T09:15:00",
                        "status": "Recibido",
                        "statusCode": "transit_handover",
                        "statusMilestone": "in_transit",
                        "courierCode": "es-post",
                    },
                    {
                        "occurrenceDatetime": "2026-03-04T18:00:00+01:00",
                        "utcOffset": None,
                        "statusCode": None,
                        "statusMilestone": "delivered",
                    },
                ],
            }
        ]
    }
}
TRACKINGMORE = {
    "code": 200,
    "data": [
        {
            "tracking_number": "A1",
            "courier_code": "royal-mail",
            "origin_info": {
                "trackinfo": [
                    {
                        "checkpoint_date": "2026-03-02T08:15:00+00:00",
                        "checkpoint_delivery_status": "transit",
                        "checkpoint_delivery_substatus": "transit001",
                    },
                    {
                        "checkpoint_date": "2026-03-04T08:15:00+00:00",
                        "checkpoint_delivery_status": "delivered",
                        "checkpoint_delivery_substatus": "delivered001",
                    },
                ]
            },
        }
    ],
}
INPOST = {
    "tracking_number": "A1",
    "service": "inpost_locker_standard",
    "status": "delivered",
    "tracking_details": [
        {
            "status": "collected_from_sender",
            "origin_status": "PON",
            "agency": None,
            "datetime": "2026-03-02T09:15:00.000+01:00",
        },
        {"status": "delivered", "origin_status": "DOR", "datetime": "2026-03-04T09:15:00+01:00"},
    ],
}
DELHIVERY = {
    "ShipmentData": [
        {
            "Shipment": {
                "AWB": "A1",
                "Scans": [
                    {
                        "ScanDetail": {
                            "ScanDateTime": "2026-03-02T13:45:00",
                            "ScanType": "UD",
                            "Scan": "Picked Up",
                            "ScannedLocation": "Pune_Hub",
                        }
                    },
                    {
                        "ScanDetail": {
                            "ScanDateTime": "2026-03-04T13:45:00.5",
                            "ScanType": "DL",
                            "Scan": "Delivered",
                        }
                    },
                ],
            }
        }
    ]
}
LAPOSTE = {
    "returnCode": 200,
    "shipment": {
        "idShip": "A1",
        "event": [
            {"code": "PC1", "label": "Pris en charge", "date": "2026-03-02T09:15:00+01:00"},
            {"code": "DI1", "label": "Distribu\u00e9", "date": "2026-03-04T09:15:00+01:00"},
        ],
    },
}
DHL_EXPRESS = {
    "shipments": [
        {
            "shipmentTrackingNumber": "A1",
            "events": [
                {
                    "date": "2026-03-02",
                    "time": "09:15:00",
                    "GMTOffset": "+01:00",
                    "typeCode": "PU",
                    "serviceArea": [{"code": "LEJ"}],
                },
                {"date": "2026-03-04", "time": "17:00:00", "GMTOffset": "+01:00", "typeCode": "OK"},
            ],
        }
    ]
}
POSTNORD = {
    "TrackingInformationResponse": {
        "shipments": [
            {
                "shipmentId": "S",
                "items": [
                    {
                        "itemId": "A1",
                        "events": [
                            {"eventTime": "2026-03-02T08:15:00Z", "status": "EN_ROUTE"},
                            {"eventTime": "2026-03-04T08:15:00Z", "status": "DELIVERED"},
                        ],
                    }
                ],
            }
        ]
    }
}
BRING = {
    "consignmentSet": [
        {
            "consignmentId": "C",
            "packageSet": [
                {
                    "packageNumber": "A1",
                    "eventSet": [
                        {
                            "status": "HANDED_IN",
                            "dateIso": "2026-03-02T09:15:00+01:00",
                            "city": "OSLO",
                        },
                        {"status": "DELIVERED", "dateIso": "2026-03-04T09:15:00+01:00"},
                    ],
                }
            ],
        }
    ]
}
INPOST_GROUP = {
    "parcels": [
        {
            "trackingNumber": "A1",
            "status": "EOL.1001",
            "events": [
                {
                    "trackingNumber": "A1",
                    "eventId": "1",
                    "eventCode": "FMD.1002",
                    "timestamp": "2026-03-02T09:15:00+01:00",
                    "location": {"name": "Hub", "city": "Lille", "postalCode": "59000"},
                },
                {
                    "trackingNumber": "A1",
                    "eventId": "2",
                    "eventCode": "EOL.1001",
                    "timestamp": "2026-03-04T18:00:00+01:00",
                    "location": None,
                },
            ],
        }
    ]
}
ONTRAC = {
    "Packages": [
        {
            "Tracking": "A1",
            "Events": [
                {"UtcEventDateTime": "2026-03-02T08:15:00", "EventCode": "ORIG"},
                {"UtcEventDateTime": "2026-03-04T18:00:00Z", "EventCode": "DLVD"},
            ],
        }
    ]
}
CTT = {
    "ObjectCode": "A1",
    "Events": {
        "List": [
            {"DateTime": "2026-03-02T08:15:00Z", "StateId": 2, "Local": "LISBOA"},
            {"DateTime": "2026-03-04T18:00:00Z", "StateId": 12, "Local": ""},
        ]
    },
}
SEUR = {
    "recibidos": [],
    "enviados": [
        {
            "clave_envio": "A1",
            "situaciones": [
                {"cod_situacion": "SX001", "fecha": "2026-03-02T08:15:00Z"},
                {"cod_situacion": "LL003", "fecha": "2026-03-04T18:00:00Z"},
            ],
        }
    ],
}
SENT: dict[str, Any] = {
    "aftership": AFTERSHIP,
    "easypost": EASYPOST,
    "17track": SEVENTEEN,
    "shippo": SHIPPO,
    "shipengine": SHIPENGINE,
    "ups": UPS,
    "fedex": FEDEX,
    "usps": USPS,
    "dhl": DHL,
    "karrio": KARRIO,
    "royal-mail": ROYAL_MAIL,
    "4px": FOUR_PX,
    "cdek": CDEK,
    "shiprocket": SHIPROCKET,
    "ship24": SHIP24,
    "trackingmore": TRACKINGMORE,
    "inpost": INPOST,
    "delhivery": DELHIVERY,
    "laposte": LAPOSTE,
    "dhl-express": DHL_EXPRESS,
    "postnord": POSTNORD,
    "bring": BRING,
    "inpost-group": INPOST_GROUP,
    "ontrac": ONTRAC,
    "ctt": CTT,
    "seur": SEUR,
}
# Whose first scan says no more than that the parcel is on its way.
UNDER_WAY = {"dhl", "royal-mail", "trackingmore", "postnord", "seur"}
# Who sends one event at a time, and has no list of them by parcel.
ONE_BY_ONE = {"sendle"}


def test_every_vendor_is_tried() -> None:
    assert SENT.keys() | ONE_BY_ONE == PAYLOADS.keys()


@pytest.mark.parametrize("vendor", SENT)
def test_a_payload_is_recognised_and_read(vendor: str, tmp_path: Path) -> None:
    payload = SENT[vendor]
    assert [name for name, form in PAYLOADS.items() if is_of(payload, form)] == [vendor]
    table = scans_of_payload(payload)
    checked = read_scans(table)
    assert not len(checked.rejects)
    scans = checked.accepted
    assert list(scans["shipment_id"]) == ["A1", "A1"]
    first = "in_transit" if vendor in UNDER_WAY else "picked_up"
    assert list(scans["status"]) == [first, "delivered"]
    assert scans["scanned_at"][0] == pd.Timestamp("2026-03-02T08:15Z")
    assert scans["scanned_at"][1].date() == pd.Timestamp("2026-03-04").date()
    text = json.dumps(payload)
    (tmp_path / "sent.json").write_text(text)
    (tmp_path / "sent.jsonl").write_text(f"{text}\n{text}\n")
    for source in (payload, [payload], tmp_path / "sent.json"):
        pd.testing.assert_frame_equal(read_scans(source).accepted, scans)
    for again in (text, text.encode(), tmp_path / "sent.json", str(tmp_path / "sent.json")):
        pd.testing.assert_frame_equal(scans_of_payload(again), table)
    assert len(scans_of_payload(tmp_path / "sent.jsonl")) == 2 * len(table)
    assert len(scans_of_payload([payload, payload])) == 2 * len(table)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"parcel": "A1", "steps": []}, "'parcel', 'steps', expected one of aftership"),
        ('{"msg": {"checkpoints": [', "no JSON"),
        ([1], "found int as a payload"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_what_is_no_payload_is_refused(payload: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        scans_of_payload(payload)
    with pytest.raises(ContractError, match="found vendor 'pigeon'"):
        scans_of_payload(AFTERSHIP, vendor="pigeon")
    assert payload_vendor({}) is None


@pytest.mark.parametrize("vendor", SENT)
def test_gaps_in_a_payload_are_no_errors(vendor: str) -> None:
    """A payload with anything missing gives rows that are rejected, or none."""

    def holes(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: holes(part) if isinstance(part, list | dict) else None
                for name, part in value.items()
            }
        return [holes(part) for part in value] if isinstance(value, list) else None

    table = scans_of_payload(holes(SENT[vendor]), vendor=vendor)
    assert not len(read_scans(table).accepted)


@pytest.mark.parametrize("vendor", SENT)
@pytest.mark.parametrize("odd", ["\ud800", ["a"], {"a": 1}, 7, True], ids=repr)
def test_any_value_of_json_anywhere_in_a_payload_is_text(vendor: str, odd: Any) -> None:
    """What escapes can write is no error either: half a character is a question mark."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: changed(part) if isinstance(part, list | dict) else odd
                for name, part in value.items()
            }
        return [changed(part) for part in value] if isinstance(value, list) else odd

    sent = json.dumps(changed(SENT[vendor]))
    table = scans_of_payload(sent, vendor=vendor)
    assert all(isinstance(one, str) or pd.isna(one) for one in table.to_numpy().ravel())
    checked = read_scans(table)
    assert len(checked.accepted) + checked.rejects["row"].nunique() == len(table)


def test_a_webhook_without_its_event_is_read_by_what_it_holds() -> None:
    sent = {name: value for name, value in SENT["shippo"].items() if name == "data"}
    assert len(scans_of_payload(sent)) == len(scans_of_payload(SENT["shippo"])) > 0


def test_every_form_names_its_columns_and_a_vocabulary() -> None:
    for form in PAYLOADS.values():
        assert form["vocabulary"] in vocabularies()
        assert {"known_by", "rows", "shipment_id", "scanned_at", "fine", "facility"} <= form.keys()


def test_a_webhook_of_cdek_is_one_scan() -> None:
    sent = {
        "type": "ORDER_STATUS",
        "date_time": "2026-03-02T15:15:02+0700",
        "attributes": {
            "cdek_number": "A1",
            "code": "TAKEN_BY_COURIER",
            "status_date_time": "2026-03-02T15:15:00+0700",
            "city_name": "Novosibirsk",
        },
    }
    [scan] = scans_of_payload(sent).to_dict("records")
    assert (scan["shipment_id"], scan["status"]) == ("A1", "TAKEN_BY_COURIER")
    assert scan["scanned_at"] == "2026-03-02T15:15:00+0700"


@pytest.mark.parametrize(
    ("vendor", "sent"),
    [
        (
            "sendle",
            {
                "sendle_reference": "A1",
                "event_id": "1",
                "event_type": "Drop Off",
                "scan_time": "2026-03-02T08:15:00Z",
                "location_data": {"suburb": "Hobart", "state": "TAS", "postcode": "7000"},
            },
        ),
        ("inpost-group", INPOST_GROUP["parcels"][0]["events"][0]),
    ],
)
def test_a_webhook_is_one_event(vendor: str, sent: Any) -> None:
    assert [name for name, form in PAYLOADS.items() if is_of(sent, form)] == [vendor]
    [scan] = read_scans(scans_of_payload(sent)).accepted.to_dict("records")
    assert (scan["shipment_id"], scan["status"]) == ("A1", "picked_up")
    assert scan["scanned_at"] == pd.Timestamp("2026-03-02T08:15Z")
