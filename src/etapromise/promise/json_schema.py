"""The JSON Schema of what `Promise.as_dict` gives."""

from __future__ import annotations

from typing import Any, Final

from etapromise.promise.arrival_distribution import PERCENTILES
from etapromise.promise.confidence import CODES, MESSAGES

_DATE: Final = {"type": "string", "format": "date"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_PROBABILITY: Final = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Final = {"type": "string"}


def promise_json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12; docs/answer.md says what each value means.

    Examples:
        >>> etapromise.promise_json_schema()["properties"]["confidence"]
        {'type': 'number', 'minimum': 0, 'maximum': 1}
    """
    properties = {
        "estimated_delivery_date": _DATE,
        "estimated_delivery_date_min": _DATE,
        "estimated_delivery_date_max": _DATE,
        "service_level": _PROBABILITY,
        "confidence": _PROBABILITY,
        **{f"percentile_{percent}": _DATE for percent in PERCENTILES},
        "lost_probability": _PROBABILITY,
        "event": {"enum": ["delivered", "first_attempt", "available_for_pickup"]},
        "day_basis": {"const": "calendar"},
        "destination_time_zone": _TEXT,
        "ordered_at": _MOMENT,
        "cutoff_datetime_utc": {"anyOf": [_MOMENT, {"type": "null"}]},
        "expires_at": _MOMENT,
        "order_within": {"type": "string", "pattern": r"^PT(\d+H)?(\d+M)?(\d+S)?$"},
        "confidence_code": {"enum": sorted(CODES)},
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"code": {"enum": [code for code, _ in MESSAGES]}, "text": _TEXT},
                "required": ["code", "text"],
                "additionalProperties": False,
            },
        },
        "kept_record": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {
                        "group": _TEXT,
                        "kept_rate": _PROBABILITY,
                        "service_level": _PROBABILITY,
                        "count": {"type": "integer", "minimum": 1},
                        "as_of": _DATE,
                    },
                    "required": ["group", "kept_rate", "service_level", "count", "as_of"],
                    "additionalProperties": False,
                },
            ]
        },
        "model_version": _TEXT,
    }
    distribution = {
        "type": "object",
        "properties": {
            "first_date": _DATE,
            "probability": {"type": "array", "items": _PROBABILITY, "minItems": 1},
        },
        "required": ["first_date", "probability"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Promise",
        "type": "object",
        "properties": {**properties, "distribution": distribution},
        "required": list(properties),
        "additionalProperties": False,
    }
