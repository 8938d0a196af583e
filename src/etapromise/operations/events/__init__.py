"""Events for customers: what is to be told, each once, and what was told before."""

from etapromise.operations.events.detection import EVENT_KINDS, EventSettings
from etapromise.operations.events.event_run import events

__all__ = ["EVENT_KINDS", "EventSettings", "events"]
