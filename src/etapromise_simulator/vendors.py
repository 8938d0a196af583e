"""The codes in which each tracking vendor would tell a standard status.

`etapromise.tracking.vocabularies` reads them back; a test holds the round trip. A vendor that has
no code for a status is silent about it, as the real ones are (EasyPost and ShipEngine report a
parcel that came back to its sender as delivered).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etapromise.tracking.contract import STATUSES

CODES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "aftership": {
        "label_created": ("InfoReceived_001", "InfoReceived"),
        "picked_up": ("InTransit_002",),
        "in_transit": ("InTransit_001", "InTransit"),
        "arrived": ("InTransit_003",),
        "departed": ("InTransit_007",),
        "customs_hold": ("InTransit_006", "Exception_004"),
        "customs_cleared": ("InTransit_005",),
        "out_for_delivery": ("OutForDelivery_001", "OutForDelivery"),
        "attempted": ("AttemptFail_001", "AttemptFail_002", "AttemptFail_003"),
        "available_for_pickup": ("AvailableForPickup_001",),
        "delivered": ("Delivered_001", "Delivered_003", "Delivered_002"),
        "delayed": ("Exception_016", "Exception_017"),
        "exception": ("Exception_001", "Exception_007"),
        "returning": ("Exception_010",),
        "returned": ("Exception_011",),
        "damaged": ("Exception_012",),
        "lost": ("Exception_013",),
    },
    "17track": {
        "label_created": ("InfoReceived",),
        "picked_up": ("InTransit_PickedUp",),
        "in_transit": ("InTransit_Other",),
        "arrived": ("InTransit_Arrival",),
        "departed": ("InTransit_Departure",),
        "customs_hold": (
            "InTransit_CustomsProcessing",
            "InTransit_CustomsRequiringInformation",
        ),
        "customs_cleared": ("InTransit_CustomsReleased",),
        "out_for_delivery": ("OutForDelivery_Other",),
        "attempted": ("DeliveryFailure_NoBody", "DeliveryFailure_Other"),
        "available_for_pickup": ("AvailableForPickup_Other",),
        "delivered": ("Delivered_Other",),
        "delayed": ("Exception_Delayed",),
        "exception": ("Exception_Other", "Exception_Security"),
        "returning": ("Exception_Returning",),
        "returned": ("Exception_Returned",),
        "damaged": ("Exception_Damage",),
        "lost": ("Exception_Lost",),
    },
    "easypost": {
        "label_created": ("pre_transit/label_created", "pre_transit"),
        "picked_up": ("in_transit/received_at_origin_facility",),
        "in_transit": ("in_transit/in_transit", "in_transit/status_update"),
        "arrived": ("in_transit/arrived_at_facility",),
        "departed": ("in_transit/departed_facility",),
        "transferred": ("in_transit/transferred_to_destination_carrier",),
        "out_for_delivery": ("out_for_delivery/out_for_delivery",),
        "available_for_pickup": ("available_for_pickup/arrived_at_pickup_location",),
        "delivered": ("delivered/arrived_at_destination", "delivered/status_update"),
        "delayed": ("in_transit/delayed", "in_transit/weather_delay"),
        "exception": ("failure/delivery_exception", "failure/address_correction"),
        "returning": ("return_to_sender/return",),
        "damaged": ("failure/damaged",),
        "lost": ("failure/lost",),
    },
    "shipengine": {
        "label_created": ("AC:ELEC_ADVICE_RECD_BY_CARRIER", "NY"),
        "picked_up": ("AC:RECEIVED_BY_CARRIER", "IT:PICKED_UP"),
        "in_transit": ("IT:IN_TRANSIT", "IT"),
        "arrived": ("IT:HUB_SCAN_IN",),
        "departed": ("IT:HUB_SCAN_OUT",),
        "customs_hold": ("IT:CUSTOMS_PROCESSING",),
        "customs_cleared": ("IT:CUSTOMS_CLEARED",),
        "transferred": ("IT:SUB_CONTRACTOR_RECEIVED", "IT:SUB_CONTRACTOR_EVENT"),
        "out_for_delivery": ("IT:OUT_FOR_DELIVERY",),
        "attempted": ("AT:ATTEMPTED_DELIVERY", "AT:CUSTOMER_CARDED"),
        "available_for_pickup": ("SP:CUSTOMER_TO_COLLECT_FROM_CARRIER",),
        "delivered": ("DE:DELIVERED", "DE"),
        "delayed": ("EX:CARRIER_DELAYS",),
        "exception": ("EX:ADDRESS_QUERY", "EX"),
        "returning": ("EX:RETURN_TO_SENDER",),
        "damaged": ("EX:PARCEL_DAMAGED",),
        "lost": ("EX:PARCEL_LOST",),
    },
    # Nobody cancels in this network.
    "standard": {status: (status,) for status in STATUSES if status != "cancelled"},
}
"""Vendor, standard status, the codes used for it (equally often)."""

VENDORS: Final = tuple(CODES)
CARRIER_VENDORS: Final = ("aftership", "17track", "shipengine", "easypost")
PARTNER_VENDORS: Final = ("standard", "shipengine")
