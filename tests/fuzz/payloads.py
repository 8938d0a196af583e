"""Vendors' payloads and requests to the server, changed: scans and answers, or a typed refusal."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from pathlib import Path

import orjson

import etapromise
from etapromise import PromiseModel, tracking
from etapromise.errors import EtapromiseError
from etapromise.serving.answers import ANSWERS, fallback
from etapromise.tracking.payloads import scans_of_payload
from tests.fuzz.calls import saved_model
from tests.fuzz.driver import main
from tests.tracking.test_payloads import SENT

NAME = "payloads"
PARCEL = {"origin": "60492", "destination": "90585", "ordered_at": "2025-07-02T12:00:00Z"}
REQUESTS = {
    "/quotes": [
        PARCEL | {"carrier": "acme", "service": "ground", "why": True, "locale": "de"},
        [PARCEL, PARCEL | {"service_level": 0.8, "band": 0.5, "weight_kg": 2}],
    ],
    "/orders": [{"parcels": [PARCEL, PARCEL], "service_level": 0.9, "locale": "en"}],
    "/compare": [
        {"options": [PARCEL | {"price": 4.5, "name": "a"}], "policy": 0.9, "day_price": 1},
        {"options": [PARCEL, PARCEL], "policy": {"lateness_cost_days": 5}},
        {"options": [PARCEL], "policy": "2025-07-09", "wanted_by": "2025-07-09"},
    ],
    "/track": [
        {
            "shipment": PARCEL | {"shipment_id": "1", "promised_date": "2025-07-09"},
            "scans": [
                {"scanned_at": "2025-07-03T09:00Z", "status": "picked_up", "facility": "ORD"},
                {"scanned_at": "2025-07-04T09:00Z", "status": "in_transit", "carrier": "acme"},
            ],
            "now": "2025-07-05T00:00Z",
            "standing": "2025-07-08",
        }
    ],
}


@functools.cache
def model() -> PromiseModel:
    return etapromise.load(saved_model(Path("output/fuzz/model")))


def case(data: bytes) -> str:
    """The first byte says whose it is: a vendor's, or a request's of one of the paths."""
    paths = list(ANSWERS)
    who, content = data[:1] or b"\0", data[1:]
    if who[0] % 8 >= len(paths):
        return _payload(content)
    try:
        asked = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "no JSON"
    answered = "answered"
    try:
        found = ANSWERS[paths[who[0] % 8]](model(), asked)
        orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
    except EtapromiseError:
        answered = "refused"
    with contextlib.suppress(EtapromiseError):
        orjson.dumps(fallback(asked, 7, "no model"))
    return answered


def _payload(content: bytes) -> str:
    try:
        scans = scans_of_payload(content)
        checked = tracking.read_scans(scans)
        assert len(checked.accepted) + checked.rejects["row"].nunique() == len(scans)
    except EtapromiseError:
        return "refused"
    return "scans"


SEEDS = (
    *(b"\x07" + json.dumps(payload).encode() for payload in SENT.values()),
    *(
        bytes([number]) + json.dumps(asked).encode()
        for number, path in enumerate(ANSWERS)
        for asked in REQUESTS[path]
        for _ in range(6)
    ),
)
WORDS = (
    *(b"null", b"[]", b"{}", b"true", b"-1", b"1e400", b"0.5", b'"x"', b'"\\ud800"', b'"\\u0000"'),
    *(b'"2025-07-09"', b'"9999-12-31T23:59Z"', b",", b":", b"[", b"]", b"{", b"}", b"[[[[[[", b"1"),
    *(
        b'"ordered_at"',
        b'"status"',
        b'"self"',
        b'"service_level"',
        b'"model"',
        b"1" * 400,
        b'"UTC"',
    ),
)

if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS, WORDS))
