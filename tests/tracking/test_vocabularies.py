from __future__ import annotations

import re
from typing import Any

import pytest

from etapromise.errors import ContractError
from etapromise.tracking import STATUSES, vocabularies
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
        ("aftership", "Exception_999"),
        ("aftership", "Exception/Exception_999"),
        ("easypost", "delivered/teleported"),
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
    with pytest.raises(ContractError, match="17track, aftership, easypost, shipengine, standard"):
        vocabulary_named("parcelmonitor")
    assert set(vocabularies()) == {"standard", *DOCUMENTED}
