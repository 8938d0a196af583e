"""A simulated parcel network with known truth, to measure promises against."""

from etapromise_simulator.config import (
    CarrierCollapse,
    CarrierStart,
    NetworkConfig,
    RegionalDisruption,
    VendorCodeChange,
    WrongZone,
)
from etapromise_simulator.network import Network
from etapromise_simulator.sample import SAMPLE, write_sample
from etapromise_simulator.simulation import (
    Block,
    Simulation,
    simulate,
    simulate_in_blocks,
)

__all__ = [
    "SAMPLE",
    "Block",
    "CarrierCollapse",
    "CarrierStart",
    "Network",
    "NetworkConfig",
    "RegionalDisruption",
    "Simulation",
    "VendorCodeChange",
    "WrongZone",
    "simulate",
    "simulate_in_blocks",
    "write_sample",
]
