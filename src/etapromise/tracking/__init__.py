"""What happened: tables and rejects, vendor vocabularies, scans, milestones of each parcel."""

from etapromise.tracking.contract import EVENTS, STATUSES, Event
from etapromise.tracking.faults import Checked, Note
from etapromise.tracking.milestones import as_of, milestones
from etapromise.tracking.scans import ScanRules, clean_scans
from etapromise.tracking.sources import Source
from etapromise.tracking.tables import read_scans, read_shipments
from etapromise.tracking.tracked import TrackedHistory, history
from etapromise.tracking.vocabularies import vocabularies

__all__ = [
    "EVENTS",
    "STATUSES",
    "Checked",
    "Event",
    "Note",
    "ScanRules",
    "Source",
    "TrackedHistory",
    "as_of",
    "clean_scans",
    "history",
    "milestones",
    "read_scans",
    "read_shipments",
    "vocabularies",
]
