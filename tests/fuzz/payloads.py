"""Vendors' payloads and requests to the server, changed: scans and answers, or a typed refusal."""

from __future__ import annotations

import contextlib
import json
import random
import sys

import numpy as np
import orjson

from etapromise import tracking
from etapromise.errors import EtapromiseError
from etapromise.serving.answers import ANSWERS, fallback
from etapromise.tracking.payloads import scans_of_payload
from tests.fuzz.driver import main
from tests.fuzz.full_model import model
from tests.fuzz.json_changes import changed_plain
from tests.tracking.test_payloads import SENT

NAME = "payloads"
PARCEL = {
    "origin": "56292",
    "destination": "92479",
    "ordered_at": "2025-07-02T12:00:00Z",
    "parcels": 1,
    "volume": 2.5,
    "product": "product 1",
    "packaging": None,
    "picker": None,
}
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


def case(data: bytes) -> str:
    """The first byte says whose it is: a vendor's, or a request's of one of the paths.

    Beyond 127 the rest is no JSON: it chooses one, and what in it is changed.
    """
    paths = list(ANSWERS)
    who, content = data[:1] or b"\0", data[1:]
    if who[0] > 127:
        who, content = _changed(np.random.default_rng(list(content)))
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


def _changed(rng: np.random.Generator) -> tuple[bytes, bytes]:
    seed = WRITTEN[rng.integers(len(WRITTEN))]
    asked = [json.loads(seed[1:])]
    for _ in range(rng.integers(1, 4)):
        changed_plain(asked, rng)
    return seed[:1], json.dumps(asked[0] if asked else None).encode()


def _payload(content: bytes) -> str:
    try:
        scans = scans_of_payload(content)
        checked = tracking.read_scans(scans)
        assert len(checked.accepted) + checked.rejects["row"].nunique() == len(scans)
    except EtapromiseError:
        return "refused"
    return "scans"


WRITTEN = (
    *(b"\x07" + json.dumps(payload).encode() for payload in SENT.values()),
    *(
        bytes([number]) + json.dumps(asked).encode()
        for number, path in enumerate(ANSWERS)
        for asked in REQUESTS[path]
        for _ in range(6)
    ),
)
SEEDS = WRITTEN + tuple(b"\xff" + random.Random(seed).randbytes(8) for seed in range(200))  # noqa: S311
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
