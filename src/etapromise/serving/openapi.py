"""What the server says of itself: OpenAPI 3.1."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from etapromise.encoding.compiled_encoder import TEXT_COLUMNS
from etapromise.encoding.shipment_values import GIVEN_NUMBERS
from etapromise.promise.options.policies import load_policies
from etapromise.promise.service_levels import SERVICE_LEVELS

_TIME: Final = {"type": "string", "format": "date-time", "description": "With its offset."}
_DATE: Final = {"type": "string", "format": "date"}
_LOCALE: Final = {"type": "string", "default": "en", "description": "A CLDR locale."}


@cache
def openapi() -> dict[str, Any]:
    """The document; the same for every server of this version."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "etapromise", "version": "1", "summary": "Delivery-date promises."},
        "paths": {
            "/quotes": _post("One promise, or a list of them.", _one_or_many("Quote"), "Promise"),
            "/orders": _post("One date for all parcels of an order.", _ref("Order"), "Promise"),
            "/compare": _post("Options, best first.", _ref("Comparison"), "Ranking"),
            "/track": _post("A parcel under way.", _ref("Tracking"), "Promise"),
            **{
                path: {"get": {"summary": summary, "responses": {"200": {"description": "OK"}}}}
                for path, summary in (
                    ("/healthz", "Which model answers; status is ok or fallback."),
                    ("/metrics", "Prometheus text."),
                    ("/openapi.json", "This document."),
                )
            },
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    fields: dict[str, Any] = {name: {"type": ["string", "null"]} for name in TEXT_COLUMNS}
    fields |= {name: {"type": ["number", "null"]} for name in GIVEN_NUMBERS}
    fields |= {"ordered_at": _TIME, "available_from": _TIME, "quoted_date": _DATE}
    level = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            {"type": "string", "enum": list(SERVICE_LEVELS)},
        ],
        "default": 0.9,
    }
    asked = fields | {"service_level": level, "locale": _LOCALE}
    band = {"band": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}}
    policy = {
        "anyOf": [
            {"type": "string", "enum": list(load_policies())},
            level,
            {**_DATE, "description": "A wanted date."},
            _object({"lateness_cost_days": {"type": "number", "minimum": 0}}),
        ]
    }
    option = fields | {
        "name": {"type": "string"},
        **{name: {"type": "number"} for name in ("price", "cost", "co2_kg")},
    }
    text = {"type": ["string", "null"]}
    return {
        "Quote": _object(
            asked | band | {"why": {"type": "boolean", "default": False}},
            required=["origin", "destination"],
        ),
        "Order": _object(
            asked | band | {"parcels": {"type": "array", "items": _object(fields)}},
            required=["parcels"],
        ),
        "Comparison": _object(
            asked
            | {
                "options": {"type": "array", "items": _object(option)},
                "policy": policy,
                "wanted_by": _DATE,
                "day_price": {"type": "number", "exclusiveMinimum": 0},
            },
            required=["options", "policy"],
        ),
        "Tracking": _object(
            {
                "shipment": _object(fields),
                "scans": {"type": "array", "items": _object({"scanned_at": _TIME})},
                "now": _TIME,
                "standing": _DATE,
                "locale": _LOCALE,
                "why": {"type": "boolean", "default": False},
            },
            required=["shipment"],
        ),
        "Promise": _object(
            {
                "estimated_delivery_date": {"type": ["string", "null"], "format": "date"},
                "confidence": {"type": ["number", "null"]},
                "confidence_code": {"type": ["integer", "null"]},
                "messages": {"type": "array", "items": _object({"code": text, "text": text})},
                "model_version": text,
                "text": text,
                "fallback": {"type": "boolean", "description": "No model gave this date."},
            },
            required=["estimated_delivery_date", "fallback"],
        ),
        "Ranking": _object(
            {"options": {"type": "array", "items": {"type": "object"}}}, required=[]
        ),
        "Problem": _object(
            {
                "error": _object(
                    dict.fromkeys(("type", "message", "found", "expected", "remedy"), text)
                )
            }
        ),
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return found | {"required": required} if required else found


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_or_many(name: str) -> dict[str, Any]:
    return {"oneOf": [_ref(name), {"type": "array", "items": _ref(name), "maxItems": 1000}]}


def _post(summary: str, asked: dict[str, Any], answered: str) -> dict[str, Any]:
    def told(description: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    answer = _one_or_many(answered) if "oneOf" in asked else _ref(answered)
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
            "responses": {
                "200": told("The answer; `fallback` is true where no model gave it.", answer),
                "400": told("No JSON.", _ref("Problem")),
                "413": told("Too large.", _ref("Problem")),
                "422": told("Not answerable: found, expected, remedy.", _ref("Problem")),
                "501": told("The server lacks what it needs for it.", _ref("Problem")),
            },
        }
    }
