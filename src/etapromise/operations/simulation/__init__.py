"""A simulated parcel network with known truth, to measure promises against."""

from etapromise.operations.simulation.config import (
    CarrierCollapse,
    CarrierStart,
    NetworkConfig,
    RegionalDisruption,
    VendorCodeChange,
    WrongZone,
)
from etapromise.operations.simulation.network import Network
from etapromise.operations.simulation.sample import SAMPLE, write_sample
from etapromise.operations.simulation.simulation import (
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
