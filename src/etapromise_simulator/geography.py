"""Where the simulated network lies: regions with their zone, place, weight and postcodes.

The figures are rounded public geography (centres, relative population, the ranges of postcode
prefixes); Arizona and Saskatchewan keep no daylight saving time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Region:
    """One state or province; `prefixes` is a range of ZIP prefixes or a Canadian letter."""

    code: str
    country: str
    zone: str
    latitude: float
    longitude: float
    weight: float
    prefixes: tuple[int, int] | str


REGIONS = (
    Region("NY", "US", "America/New_York", 41.2, -74.2, 20.0, (100, 149)),
    Region("FL", "US", "America/New_York", 27.9, -81.6, 22.0, (320, 349)),
    Region("GA", "US", "America/New_York", 33.5, -84.2, 11.0, (300, 319)),
    Region("IL", "US", "America/Chicago", 41.3, -88.6, 13.0, (600, 629)),
    Region("TX", "US", "America/Chicago", 31.0, -97.4, 29.0, (750, 799)),
    Region("MN", "US", "America/Chicago", 45.2, -93.6, 6.0, (550, 567)),
    Region("CO", "US", "America/Denver", 39.4, -105.0, 6.0, (800, 816)),
    Region("AZ", "US", "America/Phoenix", 33.4, -111.9, 7.0, (850, 865)),
    Region("CA", "US", "America/Los_Angeles", 36.0, -119.5, 39.0, (900, 961)),
    Region("WA", "US", "America/Los_Angeles", 47.4, -121.8, 8.0, (980, 994)),
    Region("ON", "CA", "America/Toronto", 43.9, -79.3, 15.0, "M"),
    Region("QC", "CA", "America/Toronto", 45.8, -73.2, 9.0, "H"),
    Region("SK", "CA", "America/Regina", 51.5, -105.6, 1.5, "S"),
    Region("BC", "CA", "America/Vancouver", 49.4, -122.3, 5.5, "V"),
)


def distance_km(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    other_latitude: NDArray[np.float64],
    other_longitude: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Great-circle distance (haversine) in kilometres; the arguments, in degrees, broadcast."""
    phi, other_phi = np.radians(latitude), np.radians(other_latitude)
    half_phi = np.sin((other_phi - phi) / 2) ** 2
    half_lambda = np.sin((np.radians(other_longitude) - np.radians(longitude)) / 2) ** 2
    inner = half_phi + np.cos(phi) * np.cos(other_phi) * half_lambda
    return np.asarray(2 * 6371.0 * np.arcsin(np.sqrt(inner)), dtype=np.float64)
