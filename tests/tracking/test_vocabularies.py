from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.tracking import STATUSES, read_scans, vocabularies
from etapromise.tracking.vocabularies import Fault, vocabulary_named

# Every code that the vendors document, spelled as they spell it.
DOCUMENTED = {
    "aftership": """
        InfoReceived InTransit OutForDelivery AttemptFail Delivered AvailableForPickup Exception
        Expired Pending Pending_001 InfoReceived_001 InTransit_001 InTransit_002 InTransit_003
        InTransit_004 InTransit_005 InTransit_006 InTransit_007 InTransit_008 InTransit_009
        OutForDelivery_001 OutForDelivery_003 OutForDelivery_004 AttemptFail_001 AttemptFail_002
        AttemptFail_003 AvailableForPickup_001 Delivered_001 Delivered_002 Delivered_003
        Delivered_004 Exception_001 Exception_002 Exception_003 Exception_004 Exception_005
        Exception_006 Exception_007 Exception_008 Exception_009 Exception_010 Exception_011
        Exception_012 Exception_013 Exception_016 Exception_017 Exception_018 Expired_001""",
    "17track": """
        NotFound NotFound_Other NotFound_InvalidCode InfoReceived InTransit InTransit_PickedUp
        InTransit_Other InTransit_Departure InTransit_Arrival InTransit_CustomsProcessing
        InTransit_CustomsReleased InTransit_CustomsRequiringInformation Expired Expired_Other
        AvailableForPickup AvailableForPickup_Other OutForDelivery OutForDelivery_Other
        DeliveryFailure DeliveryFailure_Other DeliveryFailure_NoBody DeliveryFailure_Security
        DeliveryFailure_Rejected DeliveryFailure_InvalidAddress Delivered Delivered_Other
        Exception Exception_Other Exception_Returning Exception_Returned Exception_NoBody
        Exception_Security Exception_Damage Exception_Rejected Exception_Delayed Exception_Lost
        Exception_Destroyed Exception_Cancel""",
    "easypost": """
        unknown pre_transit in_transit out_for_delivery delivered available_for_pickup
        return_to_sender failure cancelled error address_correction arrived_at_destination
        arrived_at_facility arrived_at_pickup_location awaiting_information damaged delayed
        delivery_exception departed_facility departed_origin_facility expired held label_created
        lost missorted received_at_destination_facility received_at_origin_facility refused return
        status_update transferred_to_destination_carrier transit_exception weather_delay""",
    "shipengine": """
        UN AC IT DE EX AT NY SP ELEC_ADVICE_RECD_BY_CARRIER PICKED_UP DROPPED_OFF
        RECEIVED_BY_CARRIER HUB_SCAN_IN HUB_SCAN_OUT RECEIVED_LOCAL_DELIVERY_DEPOT
        SUB_CONTRACTOR_EVENT SUB_CONTRACTOR_RECEIVED CUSTOMS_PROCESSING CUSTOMS_CLEARED
        DELIVERY_SCHEDULED DELIVERY_RESCHEDULED ATTEMPTED_DELIVERY ATTEMPTED_DELIVERY_FINAL
        CUSTOMER_CARDED OUT_FOR_DELIVERY CARRIER_STATUS_NOT_MAPPED""",
}
UNPOSSESSED = re.compile(r"InfoReceived|pre_transit|label|ELEC_ADVICE|^NY$|^AC$")
RETURNS = re.compile(r"return", re.IGNORECASE)


def codes() -> list[tuple[str, str]]:
    return [(vendor, code) for vendor, text in DOCUMENTED.items() for code in text.split()]


def read(vendor: str, code: str) -> Any:
    return vocabulary_named(vendor).read(code)


@pytest.mark.parametrize(("vendor", "code"), codes())
def test_every_documented_code_is_known(vendor: str, code: str) -> None:
    found = read(vendor, code)
    assert found in STATUSES or found is Fault.WITHOUT_INFORMATION
    assert read(vendor, f" {code.upper()} ") == found


@pytest.mark.parametrize(("vendor", "code"), codes())
def test_a_label_or_electronic_notice_is_not_possession(vendor: str, code: str) -> None:
    assert bool(UNPOSSESSED.search(code)) == (read(vendor, code) == "label_created")


@pytest.mark.parametrize(("vendor", "code"), codes())
def test_only_what_speaks_of_a_return_is_one(vendor: str, code: str) -> None:
    said = {"Exception_010": "returning", "Exception_011": "returned"}.get(code)
    assert (read(vendor, code) in {"returning", "returned"}) == bool(said or RETURNS.search(code))
    assert said is None or read(vendor, code) == said


@pytest.mark.parametrize(
    ("vendor", "code"), [("aftership", "Exception"), ("17track", "Exception"), ("shipengine", "EX")]
)
def test_an_exception_alone_is_not_terminal(vendor: str, code: str) -> None:
    assert read(vendor, code) == "exception"


@pytest.mark.parametrize(
    ("vendor", "code", "status"),
    [
        ("aftership", "Exception/Exception_010", "returning"),
        ("aftership", "InTransit:InTransit_002", "picked_up"),
        ("17track", "Exception/Exception_Returned", "returned"),
        ("easypost", "in_transit/departed_facility", "departed"),
        ("easypost", "in_transit:transferred_to_destination_carrier", "transferred"),
        ("easypost", "delivered/status_update", "delivered"),
        ("easypost", "delivered/arrived_at_destination", "delivered"),
        ("easypost", "in_transit/arrived_at_destination", "arrived"),
        ("easypost", "unknown/delayed", "delayed"),
        ("shipengine", "IT/SUB_CONTRACTOR_RECEIVED", "transferred"),
        ("shipengine", "IT/SUB_CONTRACTOR_EVENT", "transferred"),
        ("shipengine", "AC/PICKED_UP", "picked_up"),
        ("shipengine", "AC/ELEC_ADVICE_RECD_BY_CARRIER", "label_created"),
        ("shipengine", "DE/CARRIER_STATUS_NOT_MAPPED", "delivered"),
    ],
)
def test_the_finer_code_decides_unless_it_says_nothing(vendor: str, code: str, status: str) -> None:
    assert read(vendor, code) == status


@pytest.mark.parametrize(
    ("vendor", "code"),
    [
        ("aftership", "Landed_999"),
        ("aftership", "Landed/Landed_999"),
        ("easypost", "teleported"),
        ("shipengine", "delivered to the moon"),
        ("17track", ""),
    ],
)
def test_an_unknown_code_is_not_guessed(vendor: str, code: str) -> None:
    assert read(vendor, code) is Fault.UNKNOWN_VENDOR_CODE


@pytest.mark.parametrize(
    ("vendor", "code"),
    [
        ("aftership", "Pending"),
        ("17track", "NotFound_Other"),
        ("easypost", "unknown/status_update"),
        ("shipengine", "UN/CARRIER_STATUS_NOT_MAPPED"),
    ],
)
def test_a_code_that_says_nothing_is_no_scan(vendor: str, code: str) -> None:
    assert read(vendor, code) is Fault.WITHOUT_INFORMATION


def test_the_standard_vocabulary_is_the_standard_statuses() -> None:
    assert [read("standard", status) for status in STATUSES] == list(STATUSES)
    assert read("standard", "InTransit_001") is Fault.UNKNOWN_STATUS


def test_an_unknown_vocabulary_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"17track, .*aftership, .*easypost, .*standard"):
        vocabulary_named("parcelmonitor")
    assert set(vocabularies()) > {"standard", *DOCUMENTED}


@pytest.mark.parametrize(
    ("vendor", "code", "status"),
    [
        ("aftership", "Delivered_041", "delivered"),
        ("aftership", "Exception/Exception_999", "exception"),
        ("easypost", "delivered/left_at_the_door", "delivered"),
        ("shippo", "TRANSIT/package_on_a_ship", "in_transit"),
        ("17track", "InTransit_Balloon", "in_transit"),
        ("trackingmore", "transit044", "in_transit"),
        ("kuaidi100", "399", "delivered"),
        ("shipengine", "AT:NOBODY_THERE", "attempted"),
        ("17track", "Delivered_077", "delivered"),
        ("gls", "OUTDEL.BICYCLE", "out_for_delivery"),
        ("colissimo", "DOUXYZ", "customs_hold"),
        ("mercado-envios", "shipped/on_a_mule", "in_transit"),
    ],
)
def test_the_coarse_code_decides_where_the_finer_is_new(
    vendor: str, code: str, status: str
) -> None:
    found = vocabulary_named(vendor).meaning(code)
    assert found.status == status
    assert found.by_coarse


# What carriers and vendors publish, as facts of this test's own: a sample of each vocabulary.
MEANINGS = {
    "17track-v1": {"0": None, "10": "in_transit", "35": "attempted", "40": "delivered"},
    "amazon-shipping": {"PickupDone": "picked_up", "ReadyForReceive": "label_created"},
    "amazon-easy-ship": {"ReadyForPickup": "label_created", "ReturnedToSeller": "returned"},
    "bring": {
        "PRE_NOTIFIED": "label_created",
        "HANDED_IN": "picked_up",
        "NOTIFICATION_SENT": None,
        "DELIVERED_SENDER": "returned",
    },
    "nova-poshta": {"7": "available_for_pickup", "9": "delivered", "3": None, "102": "returning"},
    "x12-214": {"AF": "picked_up", "X1": "out_for_delivery", "D1": "delivered", "X2": None},
    "asendia": {"WITH_COURIER": "out_for_delivery", "RTS": "returning", "PU": "picked_up"},
    "australiapost": {"On Board for Delivery": "out_for_delivery", "Cancelled": "cancelled"},
    "canadapost": {"174": "out_for_delivery", "1496": "delivered", "1407": "available_for_pickup"},
    "dhl-express": {"PU": "picked_up", "AR": "arrived", "DF": "departed", "OK": "delivered"},
    "dhl-parcel-de": {"dlvrd": "delivered", "pckdu": "picked_up"},
    "dhl-unified": {"pre-transit": "label_created", "transit": "in_transit", "unknown": None},
    "dpd": {"Courier": "out_for_delivery", "ParcelShop": "available_for_pickup"},
    "fedex": {"OC": "label_created", "PU": "picked_up", "DP": "departed", "OD": "out_for_delivery"},
    "gls": {
        "PREADVICE": "label_created",
        "INDELIVERY": "out_for_delivery",
        "INTIAL.PREADVICE": "label_created",
        "DELIVD.PARCELSHOP": "available_for_pickup",
    },
    "hermes": {
        "3500": "delivered",
        "0000": "label_created",
        "5000": "available_for_pickup",
        "3732": "attempted",
        "6081": "returning",
        "7500": "returned",
    },
    "mygls": {"51": "label_created", "4": "out_for_delivery", "55": "available_for_pickup"},
    "packeta": {"1": "label_created", "5": "available_for_pickup", "posted back": "returning"},
    "baselinker": {"5": "delivered", "0": None, "8": "available_for_pickup"},
    "ship24": {
        "failed_attempt": "attempted",
        "transit_handover": "picked_up",
        "delivery_delivered": "delivered",
        "pending": None,
    },
    "colissimo": {"PCHCFM": "picked_up", "RENARV": "attempted", "LIVREO": "returned"},
    "inpost": {
        "ADOPTED_AT_SORTING_CENTER": "arrived",
        "stack_in_box_machine": "available_for_pickup",
    },
    "delhivery": {
        "RT/In Transit": "returning",
        "UD/Dispatched": "out_for_delivery",
        "DL/RTO": "returned",
    },
    "sf-express": {"605": "customs_hold", "8000": None, "54": "picked_up"},
    "cainiao": {"LH_HO_AIRLINE": "departed", "WMS_CONFIRMED": None},
    "karrio": {"return_to_sender": "returning", "pending": "label_created", "unknown": None},
    "kuaidi100": {"签收": "delivered", "5": "out_for_delivery", "401": "cancelled"},
    "landmark": {"50": "label_created", "300": "out_for_delivery", "500": "delivered"},
    "laposte": {
        "DI1": "delivered",
        "MD2": "out_for_delivery",
        "ET1": "in_transit",
        "DI2": "returned",
        "DR1": "label_created",
    },
    "mydhl": {
        "PU": "picked_up",
        "PL": "in_transit",
        "OK": "delivered",
        "WC": "out_for_delivery",
        "HP": "available_for_pickup",
    },
    "postat": {"ZUGESTELLT": "delivered", "IN_ZUSTELLUNG": "out_for_delivery"},
    "postnord": {"INFORMED": "label_created", "DELIVERED": "delivered"},
    "correios": {
        "BDE/01": "delivered",
        "OEC/01": "out_for_delivery",
        "BDI/23": "returned",
        "BDE-1": "delivered",
    },
    "ninja-van": {
        "Delivered, Left at Doorstep": "delivered",
        "Delivery Exception, Return to Sender Initiated": "returning",
        "At PUDO, Pending Customer Collection": "available_for_pickup",
        "Parcel Measurements Update": None,
    },
    "postnl": {"I01": "delivered", "J05": "out_for_delivery", "B01": "picked_up", "A19": None},
    "correos-es": {"I01H210V": "delivered", "H01I350V": "available_for_pickup"},
    "jt-express": {"110": "exception", "94": "out_for_delivery", "173": "returned"},
    "jt-express-vn": {"110": "arrived", "113": "delivered", "121": None},
    "4px": {"FPX_L_RPIF": "label_created", "FPX_C_SPLS": "picked_up", "FPX_O_IR": None},
    "cdek": {
        "RETURNED_TO_RECIPIENT_CITY_WAREHOUSE": "attempted",
        "ACCEPTED_AT_PICK_UP_POINT": "available_for_pickup",
    },
    "ghn": {"delivering": "out_for_delivery", "picking": "label_created", "return": "returning"},
    "royal-mail": {"EVKLC": "available_for_pickup", "EVRTS": "returned", "EVKDN": "delivered"},
    "shiprocket": {"7": "delivered", "RTO Delivered": "returned", "19": "label_created"},
    "purolator": {"ProofOfPickUp": "picked_up", "Delivery": "delivered"},
    "seko": {"OP-21": "out_for_delivery", "OP-71": "delivered", "OP-1": "label_created"},
    "sendcloud": {"1337": None, "8": "attempted", "62990": "arrived", "2000": "cancelled"},
    "sendcloud-message": {"Announced: not collected": "label_created", "No label": None},
    "shippo": {"package_accepted": "picked_up", "UNKNOWN": None, "notice_left": "attempted"},
    "canpar": {"NSR": "delivered", "DRP": "available_for_pickup"},
    "cj-logistics": {"11": "picked_up", "82": "out_for_delivery", "91": "delivered"},
    "clickpost": {"13": "returning", "RTO-Delivered": "returned", "OutForPickup": "label_created"},
    "ctt": {"12": "delivered", "14": "available_for_pickup", "8": None},
    "easyship": {"Delivery Expected (End of Updates)": None, "To be returned": "returning"},
    "edifact-iftsta": {"13": "picked_up", "21": "delivered", "23": "attempted", "84": None},
    "evri": {"4_COURIER": "out_for_delivery", "5_SHOP": "delivered", "0": "label_created"},
    "flash-express": {"3": "out_for_delivery", "5": "delivered", "7": "returned"},
    "inpost-group": {
        "CRE.1001": "label_created",
        "LMD.1003": "available_for_pickup",
        "LMD.9014": "returning",
        "EOL.1004": "delivered",
        "INF.9014": None,
    },
    "lotte-global": {"12": "label_created", "40": "out_for_delivery", "41": "delivered"},
    "mercado-envios": {
        "shipped/receiver_absent": "attempted",
        "shipped/waiting_for_confirmation": "exception",
        "not_delivered/returning_to_sender": "returning",
    },
    "ontrac": {"OFDL": "out_for_delivery", "DLVD": "delivered", "EXRL": "label_created"},
    "posti": {
        "Item is in delivery transportation": "out_for_delivery",
        "No digital signature was received": None,
    },
    "sendle": {"Card Left": "attempted", "Left with Agent": "available_for_pickup", "Info": None},
    "seur": {"LI569": "in_transit", "LI574": "available_for_pickup", "LL003": "delivered"},
    "spring": {"101": "transferred", "100": "delivered", "12504": "returned", "9999": None},
    "shopify": {"picked_up": "delivered", "carrier_picked_up": "picked_up"},
    "trackingmore": {"pickup001": "out_for_delivery", "pickup002": "available_for_pickup"},
    "ups": {"MP": "label_created", "OR": "picked_up", "D": "delivered", "RS": "returning"},
    "usps": {"origin scan": "picked_up", "out for delivery": "out_for_delivery"},
}


@pytest.mark.parametrize("vendor", MEANINGS)
def test_codes_mean_what_their_vendors_say(vendor: str) -> None:
    for code, status in MEANINGS[vendor].items():
        for written in (code, code.lower(), f" {code.upper()} ", code.replace("_", " ")):
            found = read(vendor, written)
            assert found == (Fault.WITHOUT_INFORMATION if status is None else status), written


def test_every_vocabulary_says_whence_and_when() -> None:
    for name, vocabulary in vocabularies().items():
        if name != "standard":
            whence = ("http", "the carrier's own codes", "no published list")
            assert vocabulary.source.startswith(whence), name
            assert vocabulary.source.startswith("no published") == bool(vocabulary.doubt), name
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", vocabulary.date), name
            assert vocabulary_named(name.upper()) is vocabulary
            for alias in vocabulary.aliases:
                assert vocabulary_named(alias) is vocabulary


def test_an_own_vocabulary_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "courier.toml"
    file.write_text('silent = ["HELLO"]\n[statuses]\n"ON BOARD" = "out_for_delivery"\n')
    own = vocabulary_named(file)
    assert own.read("on board") == "out_for_delivery"
    assert own.read("hello") is Fault.WITHOUT_INFORMATION
    frame = pd.DataFrame(
        {
            "shipment_id": ["a", "b", "c"],
            "scanned_at": "2026-02-05T10:00Z",
            "status": ["On-Board", "hello", "gone"],
        }
    )
    checked = read_scans(frame, vocabulary=str(file))
    assert list(checked.accepted["status"]) == ["out_for_delivery"]
    assert checked.left_aside == 1
    assert list(checked.rejects["reason"]) == ["unknown_vendor_code"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[statuses", "no TOML"),
        ('[statuses]\nA = "gone"', "'gone', expected one of the standard statuses"),
        ("silent = 3\n[statuses]\nA = 'lost'", "a list of codes"),
        ("silent = []", "no codes"),
        ("statusses = 1", "'statusses', expected one of"),
        ("coarse = '('\n[statuses]\nA = 'lost'", "no pattern"),
    ],
)
def test_an_own_vocabulary_with_a_mistake_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "courier.toml"
    file.write_text(text)
    with pytest.raises(ContractError, match=message):
        vocabulary_named(file)
    with pytest.raises(ContractError, match="no readable vocabulary"):
        vocabulary_named(tmp_path / "absent.toml")


def test_the_page_lists_every_vocabulary() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vendors.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([^`]+)` \| (\d+) \|", page, flags=re.MULTILINE))
    assert listed == {
        name: str(len(vocabulary.statuses) + len(vocabulary.details))
        for name, vocabulary in vocabularies().items()
        if name != "standard"
    }
