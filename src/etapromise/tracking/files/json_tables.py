"""JSON as a table: nested objects become columns with dotted names, a list inside them rows.

``{"id": 1, "to": {"zip": "01067"}, "events": [{"at": "…"}, {"at": "…"}]}`` is one row with the
columns ``id`` and ``to.zip``, or two rows with the column ``events.at`` beside them where the rows
are asked to be ``events``. A list that has at most one object in every record counts as that
object. Numbers stay as they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etapromise.errors import ContractError

# What says which of its list's objects one is, by the end of its name; so many kinds at most.
_KIND: Final = re.compile(r"(?i)(?:^|_|[a-z](?=[A-Z]))(?:type|role|kind|qualifier|usage|key)$")
_KINDS: Final = 40
# Objects that lie in another by their ids are so many at least.
_KEYED: Final = 10
# gid://shopify/Fulfillment/123
_KIND_OF_ID: Final = re.compile(r"/(\w+)/[^/]*$")
_TIME: Final = re.compile(r"^\d{4}-\d\d-\d\d|^\d{10}(?:\d{3})?$")

# Beside the rows an answer of an interface has such as these, and nothing of a parcel.
_ENVELOPE: Final = frozenset(
    {
        *("meta", "metadata", "page", "pages", "per_page", "limit", "offset", "count", "total"),
        *("total_count", "totalcount", "total_pages", "total_results", "page_size", "current_page"),
        *("search_criteria", "pagination", "page_info", "next_page_token", "nexttoken"),
        *("next", "previous", "cursor", "has_more", "links", "status", "code", "message", "type"),
        *("took", "timed_out", "_shards", "_scroll_id", "max_score"),
        *("success", "error", "errors", "version", "request_id", "requestid"),
    }
)


def records_of(text: str, name: str) -> list[dict[str, Any]]:
    """The records of a JSON document or of JSON lines.

    Args:
        text: A list of objects, one object, an object around a list of them, or an object a line.

    Raises:
        ContractError: It is no such JSON, or ends too early.
    """
    text = text.lstrip("\ufeff")
    stripped = text.lstrip()
    if stripped.startswith("["):
        found = _parsed(text, name)
    else:
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) > 1 and _is_object(lines[0][1]):
            found = [_parsed(line, f"line {n} of {name}") for n, line in lines]
        else:
            found = _inside(_parsed(text, name))
    records = found if isinstance(found, list) else [found]
    if not records or not all(isinstance(record, dict) for record in records):
        raise ContractError(
            f"{name} holds no list of JSON objects, expected one object for each row; "
            "export it as JSON lines"
        )
    return with_kinds(_below_their_parents(map(_without_source, records)))


def _without_source(record: dict[str, Any]) -> dict[str, Any]:
    """What Elasticsearch keeps, before what it says of it."""
    inner = record.get("_source")
    if not isinstance(inner, dict):
        return record
    return inner | {name: value for name, value in record.items() if name != "_source"}


def _below_their_parents(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records that name their parent, as Shopify's bulk exports do, in a list inside of it."""
    records = list(records)
    known = {record["id"]: record for record in records if isinstance(record.get("id"), str)}
    roots = []
    for record in records:
        parent = known.get(str(record.pop("__parentId", None)))
        if parent is None:
            roots.append(record)
            continue
        kind = _KIND_OF_ID.search(str(record.get("id", "")))
        parent.setdefault(kind[1] if kind else "children", []).append(record)
    return roots


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise ContractError(
            f"{name} is no whole JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
            "the file may be half written. Export it again, or remove what is not complete"
        ) from error


def _inside(document: Any) -> Any:
    """The list of records that an object is only the envelope of, else the object itself."""
    if not isinstance(document, dict):
        return document
    plain = [name for name, value in document.items() if not isinstance(value, dict | list)]
    if all(name.lower() in _ENVELOPE for name in plain):
        inner = {name: value for name, value in document.items() if isinstance(value, dict | list)}
        lists = [value for value in inner.values() if _is_records(value)]
        if len(lists) == 1:
            return lists[0]
        wrapped = [name for name in inner if name.lower() not in _ENVELOPE]
        if not lists and len(wrapped) == 1:
            return _inside(inner[wrapped[0]])
        return _by_key(document)
    return document


def _by_key(document: dict[str, Any]) -> Any:
    """Objects that lie in one by their ids, or lists of them by days, as records with a ``key``."""
    values = document.values()
    alone = all(isinstance(value, dict) for value in values)
    if len(document) < _KEYED or not (alone or all(map(_is_records, values))):
        return document
    records = [
        {"key": key} | one
        for key, found in document.items()
        for one in ([found] if alone else found)
    ]
    names = [set(record) for record in records]
    # Of objects that are parts of one record each has names of its own.
    alike = sum(map(len, names)) > 0.5 * len(records) * len(set().union(*names))
    return records if alike else document


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def with_kinds(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records whose lists of objects that say which they are became objects of them.

    A list counts as such where each object of it has a kind of its own in every record, as the
    stops and addresses of a shipment or the pairs of key and value, and none has a time, as the
    events of a parcel.
    """
    records = list(records)
    found: dict[str, _Kinds] = {}
    for record in records:
        _look_for_kinds(record, "", found)
    kinds = {path: one.name for path, one in found.items() if one.name and len(one.seen) > 1}
    return [_by_kind(record, "", kinds) for record in records] if kinds else records


class _Kinds:
    """What is known of the objects of a list: the field that tells them apart, while one does."""

    def __init__(self) -> None:
        self.name: str | None = ""
        self.seen: set[str] = set()

    def look(self, objects: list[Any]) -> None:
        if self.name is None:
            return
        if not all(isinstance(one, dict) for one in objects):
            self.name = None
            return
        names = [self.name] if self.name else [key for key in objects[0] if _KIND.search(key)]
        timed = any(
            hasattr(value, "isoformat") or (isinstance(value, str) and _TIME.match(value))
            for one in objects
            for value in one.values()
        )
        for name in names:
            told = [one.get(name) for one in objects]
            if timed or not all(isinstance(kind, str) and kind for kind in told):
                continue
            if len(set(told)) == len(told) and len(self.seen | set(told)) <= _KINDS:
                self.name, self.seen = name, self.seen | set(told)
                return
        self.name = None


def _look_for_kinds(value: dict[str, Any], path: str, found: dict[str, _Kinds]) -> None:
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if isinstance(inner, dict):
            _look_for_kinds(inner, here, found)
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            found.setdefault(here, _Kinds()).look(inner)
            for one in inner:
                if isinstance(one, dict):
                    _look_for_kinds(one, here, found)


def _by_kind(value: dict[str, Any], path: str, kinds: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if isinstance(inner, dict):
            told[name] = _by_kind(inner, here, kinds)
        elif isinstance(inner, list) and here in kinds:
            told[name] = {
                str(one[kinds[here]]): {
                    key: below
                    for key, below in _by_kind(one, here, kinds).items()
                    if key != kinds[here]
                }
                for one in inner
            }
        elif isinstance(inner, list):
            told[name] = [
                _by_kind(one, here, kinds) if isinstance(one, dict) else one for one in inner
            ]
        else:
            told[name] = inner
    return told


def list_paths(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The dotted paths of the lists of objects inside of records, and how many the longest has."""
    found: dict[str, int] = {}

    def look(value: dict[str, Any], path: str) -> None:
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            if isinstance(inner, dict):
                look(inner, here)
            elif isinstance(inner, list):
                objects = [one for one in inner if isinstance(one, dict)]
                if objects:
                    found[here] = max(found.get(here, 0), len(inner))
                for one in objects:
                    look(one, here)

    for record in records:
        look(record, "")
    return found


def table_of(
    records: Iterable[dict[str, Any]], rows: str = ""
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """A table of text, its columns named by dotted paths, and the record that each row is of, (n,).

    Args:
        records: JSON objects.
        rows: Dotted path of the list whose objects are the rows; without, a record is a row. A
            record without that list gives none.
    """
    columns: dict[str, list[str | None]] = {}
    records = list(records)
    single = frozenset(path for path, longest in list_paths(records).items() if longest == 1)
    n = 0
    owners: list[int] = []
    for number, record in enumerate(records):
        for row in _rows(record, rows, single):
            for name, value in row.items():
                column = columns.get(name)
                if column is None:
                    column = columns[name] = []
                if len(column) < n:
                    column.extend([None] * (n - len(column)))
                column.append(value)
            n += 1
            owners.append(number)
    for column in columns.values():
        column.extend([None] * (n - len(column)))
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table(texts), np.asarray(owners, dtype=np.int64)


def _rows(
    record: dict[str, Any], path: str, single: frozenset[str]
) -> Iterator[dict[str, str | None]]:
    base: dict[str, str | None] = {}
    pending = _flatten(record, "", path, single, base)
    if not path:
        yield base
    elif pending is not None:
        yield from _elements(pending, path, single, base)


def _elements(
    pending: tuple[list[Any], str],
    path: str,
    single: frozenset[str],
    base: dict[str, str | None],
) -> Iterator[dict[str, str | None]]:
    values, here = pending
    for value in values:
        if not isinstance(value, dict):
            continue
        row = dict(base)
        deeper = _flatten(value, here, path, single, row)
        if here == path:
            yield row
        elif deeper is not None:
            yield from _elements(deeper, path, single, row)


def _flatten(
    value: dict[str, Any],
    prefix: str,
    path: str,
    single: frozenset[str],
    into: dict[str, str | None],
) -> tuple[list[Any], str] | None:
    """Scalars by dotted name into `into`; returns the list on the way to `path`, and its name."""
    pending: tuple[list[Any], str] | None = None
    for name, inner in value.items():
        here = f"{prefix}.{name}" if prefix else name
        if isinstance(inner, dict):
            pending = _flatten(inner, here, path, single, into) or pending
        elif isinstance(inner, list):
            if path == here or path.startswith(f"{here}."):
                pending = inner, here
            elif here in single and inner:
                _flatten(inner[0], here, path, single, into)
            elif inner and not any(isinstance(one, dict | list) for one in inner):
                into[here] = ", ".join(_text(one) or "" for one in inner)
        else:
            into[here] = _text(inner)
    return pending


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
