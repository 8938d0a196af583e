"""What tracking vendors send, webhooks and answers alike, as scans of the contract.

`payloads.toml` says how each vendor's is recognised, by names that only that vendor uses together,
and where its scans are; a payload of none of them is refused. Times stay as they were written:
`read_scans` reads them, with or without a clock.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pandas as pd

from etapromise.errors import ContractError
from etapromise.tracking.python_objects import table_as_text

PAYLOADS: Final[Mapping[str, Mapping[str, Any]]] = tomllib.loads(
    resources.files(__package__).joinpath("payloads.toml").read_text("utf-8")
)
"""The vendors whose payloads are read, and what `payloads.toml` says of each."""

_COLUMNS: Final = ("shipment_id", "carrier", "scanned_at", "received_at")
_PLACE: Final = re.compile(r"\{(\d)\.([\w.-]+)(?::(\w+))?\}")


def scans_of_payload(
    payload: str | os.PathLike[str] | bytes | Mapping[str, Any] | list[Any],
    *,
    vendor: str | None = None,
) -> pd.DataFrame:
    """The scans of a vendor's payload, ready for `read_scans`, `train`, `track` and the commands.

    Args:
        payload: JSON as text, bytes or parsed, or the path of a ``.json`` or ``.jsonl`` file; one
            payload, or a list of them.
        vendor: One of `PAYLOADS`; recognised if None.

    Returns:
        ``shipment_id`` (the tracking number), ``scanned_at``, ``status`` (the vendor's code),
        ``vocabulary``, and ``received_at``, ``facility``, ``carrier`` and ``scanned_time_zone``
        where the payload says them; all text, one row for each event.

    Raises:
        ContractError: It is no JSON, or of none of these vendors.

    Examples:
        >>> told = {"object": "Tracker", "tracking_code": "1Z9", "carrier": "UPS",
        ...         "tracking_details": [{"status": "in_transit",
        ...                               "status_detail": "arrived_at_facility",
        ...                               "datetime": "2026-02-01T08:00:00Z"}]}
        >>> list(etapromise.scans_of_payload(told, vendor="easypost")["shipment_id"])
        ['1Z9']
    """
    if vendor is not None and vendor not in PAYLOADS:
        raise ContractError(
            f"found vendor {vendor!r}, expected one of {', '.join(PAYLOADS)}; leave it out to have "
            "the payload recognised"
        )
    rows: list[dict[str, Any]] = []
    for one in _payloads(payload):
        name = payload_vendor(one) if vendor is None else vendor
        if name is None:
            raise ContractError(
                f"found a payload with {', '.join(map(repr, list(one)[:8]))}, expected one of "
                f"{', '.join(PAYLOADS)}; map its fields with a mapping file instead"
            )
        rows += _scans(one, PAYLOADS[name])
    columns = ["shipment_id", "scanned_at", "status", "vocabulary"]
    optional = ("received_at", "facility", "carrier", "scanned_time_zone")
    columns += [name for name in optional if any(row.get(name) for row in rows)]
    told = [[row.get(name) or None for name in columns] for row in rows]
    # JSON can write half a character, which no table holds.
    return table_as_text(pd.DataFrame(told, columns=columns, dtype=object))


def scans_source(source: Any) -> Any:
    """``source``, or its scans where it is a vendor's payload: parsed, or a JSON file of them."""
    is_file = isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in _JSON
    if not is_file and not isinstance(source, Mapping | list | tuple):
        return source
    if is_file and not Path(source).is_file():
        return source
    payloads = list(source) if isinstance(source, tuple) else source
    try:
        first = next(_payloads(payloads), None)
    except ContractError:
        # Whoever opens it as a table says what is wrong with it.
        return source
    if first is None or payload_vendor(first) is None:
        return source
    return scans_of_payload(payloads)


_JSON: Final = (".json", ".jsonl", ".ndjson")


def payload_vendor(payload: Mapping[str, Any]) -> str | None:
    """Whose payload this is, None if it is of no known vendor."""
    return next((name for name, form in PAYLOADS.items() if is_of(payload, form)), None)


def is_of(payload: Mapping[str, Any], form: Mapping[str, Any]) -> bool:
    """Whether a payload is of a vendor of `PAYLOADS`."""
    return any(
        all(_is_true(payload, term.strip()) for term in condition.split("&"))
        for condition in form["known_by"]
    )


def _payloads(payload: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(payload, os.PathLike) or (
        isinstance(payload, str) and payload.lower().endswith(_JSON)
    ):
        try:
            if not Path(payload).is_file():
                raise OSError("no such file")  # noqa: TRY301
            payload = Path(payload).read_bytes()
        except OSError as error:
            raise ContractError(f"found no readable payload at {payload}: {error}") from error
    if isinstance(payload, str | bytes):
        payload = _parsed(payload)
    for one in payload if isinstance(payload, list) else [payload]:
        if not isinstance(one, Mapping):
            raise ContractError(
                f"found {type(one).__name__} as a payload, expected a JSON object or a list of them"
            )
        yield one


def _parsed(text: str | bytes) -> Any:
    try:
        said = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        lines = [line for line in said.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            return [json.loads(line) for line in lines]
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise ContractError(
            f"found a payload that is no JSON ({error}), expected what the vendor sent; it may be "
            "cut"
        ) from error


def _is_true(payload: Mapping[str, Any], term: str) -> bool:
    """A term of `known_by`: a name that is there, or one with a value."""
    path, sign, wanted = re.split(r"\s*(\^?=|$)\s*", term, maxsplit=1)
    found = list(_followed(payload, path))[:1]
    if not sign or not found:
        return bool(found)
    said = str(found[0])
    return said.startswith(wanted) if sign == "^=" else said == wanted


def _followed(value: Any, path: str) -> Iterator[Any]:
    """What lies at a path of names, every one of a list where a name ends with ``[]``."""
    name, _, rest = path.partition(".")
    plain = name.removesuffix("[]")
    if not isinstance(value, Mapping) or plain not in value:
        return
    value = value[plain]
    inside = [value]
    if name != plain:
        inside = value if isinstance(value, list) else []
        inside = [one for one in inside if isinstance(one, Mapping)]
    for one in inside:
        yield from _followed(one, rest) if rest else (one,)


def _scans(payload: Mapping[str, Any], form: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for steps in _steps(payload, form["rows"]):
        scan = {name: _first(steps, form.get(name, ())) for name in _COLUMNS}
        places = [str(_filled(steps, one) or "").strip() for one in form["facility"]]
        yield {
            "vocabulary": form["vocabulary"],
            **scan,
            "status": _pair(*(_first(steps, form.get(part, ())) for part in ("coarse", "fine"))),
            "facility": ", ".join(dict.fromkeys(filter(None, places))) or None,
        }


def _steps(value: Any, rows: Sequence[Sequence[str]]) -> Iterator[tuple[Any, ...]]:
    """The objects on the way to each scan, the scan's own last."""
    if not rows:
        yield ()
        return
    for path in rows[0]:
        inside = [value] if path == "." else [*_followed(value, path)]
        if any(isinstance(one, Mapping) and (one or path.endswith("[]")) for one in inside):
            for one in inside:
                for further in _steps(one, rows[1:]):
                    yield one, *further
            return


def _first(steps: tuple[Any, ...], forms: Sequence[str]) -> Any:
    """What the first form says of which all places are filled."""
    return next((said for form in forms if (said := _filled(steps, form))), None)


def _filled(steps: tuple[Any, ...], form: str) -> Any:
    said = form
    for place in _PLACE.finditer(form):
        step, path, kind = place.groups()
        found = next(_followed(steps[int(step)], path), None)
        if found in (None, ""):
            return None
        if said == place.group():
            return _WRITTEN[kind](str(found)) if kind else found
        said = said.replace(place.group(), _WRITTEN[kind](str(found)))
    return said


def _dashed(date: str) -> str:
    digits = date.replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"


def _clock(time: str) -> str:
    digits = time.replace(":", "")
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:6] or '00'}"


_WRITTEN: Final[dict[str | None, Callable[[str], str]]] = {
    None: str,
    "date": _dashed,
    "clock": _clock,
    "utc": lambda said: said if said.endswith("Z") else f"{said}Z",
}


def _pair(coarse: Any, fine: Any) -> str | None:
    if coarse and fine and str(coarse) != str(fine):
        return f"{coarse}/{fine}"
    return str(coarse or fine) if coarse or fine else None
