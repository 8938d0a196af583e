"""The server: the library's own answers, errors with a remedy, a static promise, new models."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from etapromise import CostPolicy, PromiseModel, errors, load
from etapromise.errors import ContractError
from etapromise.serving.app import create_app
from etapromise.serving.live_model import LiveModel
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd


DISCONNECT = {"type": "http.disconnect"}


class Client:
    """Asks an app without a network."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def ask(self, method: str, path: str, content: Any = None) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, path, content=content)

        return asyncio.run(once())

    def post(self, path: str, asked: Any) -> httpx.Response:
        return self.ask("POST", path, json.dumps(asked))

    def metric(self, name: str, **labels: str) -> float:
        found = 0.0
        for family in text_string_to_metric_families(self.ask("GET", "/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    found += sample.value
        return found


@pytest.fixture(scope="module")
def directory(model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("served")
    model.save(models / "one")
    (models / "current").symlink_to("one")
    return models


@pytest.fixture
def client(directory: Path) -> Client:
    return Client(create_app(directory))


@pytest.fixture(scope="module")
def parcel(orders: pd.DataFrame) -> dict[str, Any]:
    fields = fields_of(orders.iloc[5])
    plain = {name: value for name, value in fields.items() if value is not None}
    plain["ordered_at"] = plain["ordered_at"].isoformat()
    if "quoted_date" in plain:
        plain["quoted_date"] = plain["quoted_date"].isoformat()
    return plain


def as_fields(parcel: dict[str, Any]) -> dict[str, Any]:
    return parcel | {"ordered_at": datetime.fromisoformat(parcel["ordered_at"])}


def test_a_quote_is_the_librarys_own(
    client: Client, directory: Path, parcel: dict[str, Any]
) -> None:
    promise = load(directory / "current").promise(**as_fields(parcel), service_level=0.8)
    answer = client.post("/quotes", parcel | {"service_level": 0.8, "why": True, "locale": "de"})
    assert answer.status_code == 200
    told = answer.json()
    why = told.pop("why")
    assert told.pop("text") == promise.text("de")
    assert told.pop("fallback") is False
    assert told == json.loads(json.dumps(promise.as_dict()))
    assert sum(part["days"] for part in why["contributions"]) == pytest.approx(why["days"])
    assert why["text"] == promise.why().text("de")


def test_many_quotes_in_one_request(client: Client, parcel: dict[str, Any]) -> None:
    both = client.post("/quotes", [parcel, parcel | {"service_level": 0.97}]).json()
    assert both[0] == client.post("/quotes", parcel).json()
    assert both[0]["estimated_delivery_date"] <= both[1]["estimated_delivery_date"]
    too_many = client.post("/quotes", [parcel] * 1001)
    assert too_many.status_code == 422


def test_orders_options_and_parcels_under_way(
    client: Client, directory: Path, parcel: dict[str, Any]
) -> None:
    model = load(directory / "current")
    rest = {k: v for k, v in parcel.items() if k not in {"carrier", "service"}}
    parcels = [
        {"carrier": parcel["carrier"]},
        {"carrier": parcel["carrier"], "ordered_at": parcel["ordered_at"]},
    ]
    order = client.post("/orders", {"parcels": parcels, **rest}).json()
    expected = model.promise_order(
        [{"carrier": parcel["carrier"]}] * 2, **as_fields(rest)
    ).as_dict()
    assert order["estimated_delivery_date"] == expected["estimated_delivery_date"]
    options = [{"carrier": "acme", "price": 4.0}, {"carrier": "birdpost", "price": 3.0}]
    asked = {"options": options, "policy": {"lateness_cost_days": 4}, "day_price": 2.0, **rest}
    unsaid = {name: value for name, value in asked.items() if name != "ordered_at"}
    # An order time left out is now, which this model's calendars need not cover.
    answer = client.post("/compare", unsaid)
    assert answer.status_code == 200 or "calendars cover" in answer.text
    ranked = client.post("/compare", asked).json()
    known = model.compare(
        options, CostPolicy(lateness_cost_days=4), day_price=2.0, **as_fields(rest)
    )
    assert [one["carrier"] for one in ranked["options"]] == [one.option["carrier"] for one in known]
    now = (as_fields(parcel)["ordered_at"] + timedelta(days=2)).isoformat()
    scans = [{"scanned_at": now, "status": "in_transit"}]
    tracked = client.post("/track", {"shipment": parcel, "scans": scans, "now": now})
    assert tracked.status_code == 200, tracked.text
    assert tracked.json()["last_status"] == "in_transit"


@pytest.mark.parametrize(
    ("path", "asked", "words"),
    [
        ("/quotes", {"ordered_at": "2025-07-02T10:00"}, "without a time zone"),
        ("/quotes", {"ordered_at": "yesterday"}, "ISO 8601"),
        ("/quotes", {"service_level": 1.0}, "above 0 and below 1"),
        ("/quotes", {"origin": ...}, "without origin"),
        ("/quotes", {"weight_kg": [1.0]}, "weight_kg"),
        ("/compare", {}, "options"),
        ("/compare", {"options": [{"carrier": "acme"}]}, "policy"),
        ("/orders", {"parcels": "two"}, "list of objects"),
        ("/track", {"shipment": 3}, "shipment"),
        ("/quotes", {"carier": "acme"}, "did you mean 'carrier'?"),
        ("/quotes", {"zzzz": 1}, "'zzzz'"),
        ("/track", {"shipment": {"zzzz": 1, "orderd_at": 1}}, "ordered_at"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(
    client: Client, parcel: dict[str, Any], path: str, asked: dict[str, Any], words: str
) -> None:
    body = {k: v for k, v in (parcel | asked).items() if v is not ...}
    answer = client.post(path, body)
    assert answer.status_code == 422, answer.text
    told = answer.json()["error"]
    assert words in told["message"]
    assert all(told[part] for part in ("found", "expected", "remedy"))
    assert client.metric("etapromise_requests_total", path=path, status="422") == 1.0
    assert client.metric("etapromise_fallbacks_total") == 0.0


def test_bodies_that_are_none(client: Client) -> None:
    assert client.ask("POST", "/quotes", b"{").status_code == 400
    assert client.ask("POST", "/quotes", b"[" * 3_000_000).status_code == 413
    assert client.post("/quotes", 3).status_code == 422
    for method, path, status in (("GET", "/quotes", 405), ("GET", "/quote", 404)):
        refused = client.ask(method, path)
        assert refused.status_code == status
        told = refused.json()["error"]
        assert all(told[part] for part in ("found", "expected", "remedy"))
        assert "POST /quotes" in told["expected"]
    assert client.ask("GET", "/quotes").headers["allow"] == "POST"


def test_without_a_model_a_static_promise_is_given_and_counted(
    tmp_path: Path, parcel: dict[str, Any]
) -> None:
    client = Client(create_app(tmp_path / "nothing", fallback_days=9))
    told = client.post("/quotes", parcel).json()
    ordered = as_fields(parcel)["ordered_at"].date()
    assert told["fallback"] is True
    assert told["estimated_delivery_date"] == (ordered + timedelta(days=9)).isoformat()
    ranked = client.post(
        "/compare", {"options": [{"carrier": "acme"}], "policy": 0.9, **parcel}
    ).json()
    assert ranked["fallback"] is True
    assert ranked["options"][0]["promise"]["fallback"] is True
    assert client.post("/quotes", {"ordered_at": "never"}).status_code == 422
    assert client.metric("etapromise_fallbacks_total", reason="no_model") == 2.0
    health = client.ask("GET", "/healthz").json()
    assert health["status"] == "fallback"
    assert "manifest" in health["error"]
    with pytest.raises(ContractError, match="fallback_days"):
        create_app(tmp_path, fallback_days=0)


def test_a_model_that_fails_inside_falls_back(
    client: Client, parcel: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(PromiseModel, "promise", broken)
    told = client.post("/quotes", parcel).json()
    assert told["fallback"] is True
    assert "cosmic ray" in told["messages"][0]["text"]
    assert client.metric("etapromise_fallbacks_total", reason="failed") == 1.0


def test_a_server_without_pandas_makes_up_no_date_of_a_parcel_under_way(
    client: Client, parcel: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "etapromise.promise.under_way.tracked_promise", None)
    monkeypatch.setattr(errors, "_EXTRA_OF", {"etapromise": "train"})
    found = client.post("/track", {"shipment": parcel, "scans": [], "now": parcel["ordered_at"]})
    assert found.status_code == 501
    assert "pip install 'etapromise[train]'" in found.json()["error"]["message"]


def test_an_exchanged_model_answers_and_a_broken_one_changes_nothing(
    model: PromiseModel, tmp_path: Path
) -> None:
    model.save(tmp_path / "one")
    (tmp_path / "current").symlink_to("one")
    held = LiveModel(tmp_path)
    first = held.model
    assert not held.refresh()
    assert held.model is first
    model.save(tmp_path / "two")
    _point(tmp_path, "two")
    assert held.refresh()
    assert held.model is not first
    assert (held.reloads, held.failures) == (1, 0)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "manifest.json").write_text("{}")
    _point(tmp_path, "bad")
    second = held.model
    assert not held.refresh()
    assert held.model is second
    assert held.failures == 1
    assert held.error is not None
    # It is not tried again until something changes.
    assert not held.refresh()
    assert held.failures == 1
    _point(tmp_path, "one")
    assert held.refresh()
    assert held.error is None


def test_requests_go_on_while_models_are_exchanged(
    model: PromiseModel, tmp_path: Path, parcel: dict[str, Any]
) -> None:
    for name in ("one", "two"):
        model.save(tmp_path / name)
    (tmp_path / "current").symlink_to("one")
    client = Client(create_app(tmp_path, look_every=0.01))
    expected = client.post("/quotes", parcel).json()

    async def served() -> tuple[int, dict[str, Any]]:
        app, answered, health = client.app, 0, {"reloads": 0}
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://shop") as http,
        ):
            while health["reloads"] < 3 and answered < 20_000:
                if answered % 50 == 0:
                    _point(tmp_path, "two" if answered % 100 else "one")
                    await asyncio.sleep(0.02)
                    health = (await http.get("/healthz")).json()
                answer = await http.post("/quotes", content=json.dumps(parcel))
                assert answer.status_code == 200
                assert answer.json() == expected
                answered += 1
        return answered, health

    answered, health = asyncio.run(served())
    assert answered >= 150
    assert health["reloads"] == 3
    assert health["failed_reloads"] == 0


def _point(models: Path, name: str) -> None:
    link = models / ".next"
    link.symlink_to(name)
    link.replace(models / "current")


def test_metrics_name_the_model_and_count_codes(
    client: Client, directory: Path, parcel: dict[str, Any]
) -> None:
    client.post("/quotes", [parcel, parcel])
    version = load(directory / "current").version
    assert client.metric("etapromise_model_info", version=version) == 1.0
    assert client.metric("etapromise_confidence_code_total") == 2.0
    assert client.metric("etapromise_request_seconds_count", path="/quotes") == 1.0
    assert client.ask("GET", "/healthz").json()["model_version"] == version


def test_an_order_without_a_time_is_ordered_now(client: Client, parcel: dict[str, Any]) -> None:
    bare = {name: value for name, value in parcel.items() if name != "ordered_at"}
    told = client.post("/orders", {"parcels": [bare, bare]})
    # Now may lie behind the calendars of the tests' model.
    assert told.status_code == 200 or "calendars cover" in told.text
    said = client.post("/orders", {"parcels": [bare], "ordered_at": parcel["ordered_at"]})
    same = client.post("/orders", {"parcels": [parcel]})
    assert said.json() == same.json()


def test_the_page_and_the_description(client: Client, parcel: dict[str, Any]) -> None:
    page = client.ask("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    script, style = (client.ask("GET", path) for path in ("/page.js", "/page.css"))
    assert (script.status_code, style.status_code) == (200, 200)
    asked = set(re.findall(r'\bat\("([\w-]+)"\)', script.text))
    assert {"rests-on", "notice"} < asked <= set(re.findall(r'id="([\w-]+)"', page.text))
    facts = client.ask("GET", "/checkout.json").json()
    assert {one["carrier"] for one in facts["ways"]} == {"acme", "birdpost", "corvid", "dromedary"}
    assert facts["places"]["origin"]
    document = client.ask("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    answer = client.post("/quotes", parcel).json()
    assert set(schemas["Promise"]["properties"]) <= set(answer)
    assert set(parcel) <= set(schemas["Quote"]["properties"])
    for operations in document["paths"].values():
        assert "summary" in next(iter(operations.values()))
    _require_references(document, schemas)
    assert date.fromisoformat(answer["estimated_delivery_date"])


def _require_references(part: Any, schemas: dict[str, Any]) -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                assert value.rpartition("/")[2] in schemas
            _require_references(value, schemas)
    elif isinstance(part, list):
        for one in part:
            _require_references(one, schemas)


def test_only_posts_are_answered_and_a_path_in_front_changes_nothing(
    directory: Path, client: Client, parcel: dict[str, Any]
) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert client.ask(method, "/quotes").status_code == 405
    assert client.ask("POST", "/quotes/", "{}").status_code in {307, 404}
    outer = Client(Starlette(routes=[Mount("/dates", create_app(directory))]))
    assert outer.post("/dates/quotes", parcel).json() == client.post("/quotes", parcel).json()
    assert outer.ask("GET", "/dates/healthz").json()["status"] == "ok"


def test_bodies_in_parts_and_callers_that_go_away(client: Client, parcel: dict[str, Any]) -> None:
    body = json.dumps(parcel).encode()
    scope = {"type": "http", "method": "POST", "path": "/quotes", "headers": []}

    def asked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(client.app(dict(scope), receive, send))  # type: ignore[arg-type]
        return sent

    parts = [
        {"type": "http.request", "body": body[:9], "more_body": True},
        {"type": "http.request", "body": body[9:]},
    ]
    start, told = asked(parts)
    assert start["status"] == 200
    assert json.loads(told["body"]) == client.post("/quotes", parcel).json()
    assert asked([{"type": "http.request", "body": b"{", "more_body": True}, DISCONNECT]) == []


def test_items_released_later_are_quoted_so(client: Client, parcel: dict[str, Any]) -> None:
    ordered = datetime.fromisoformat(parcel["ordered_at"])
    released = (ordered + timedelta(days=4)).isoformat()
    found = client.post("/quotes", parcel | {"available_from": released}).json()
    then = client.post("/quotes", parcel | {"ordered_at": released}).json()
    assert found["estimated_delivery_date"] == then["estimated_delivery_date"]
    assert found["ordered_at"] == client.post("/quotes", parcel).json()["ordered_at"]


def test_a_parcel_under_way_says_why(
    client: Client, model: PromiseModel, parcel: dict[str, Any]
) -> None:
    ordered = datetime.fromisoformat(parcel["ordered_at"])
    scans = [{"status": "picked_up", "scanned_at": (ordered + timedelta(hours=3)).isoformat()}]
    now = ordered + timedelta(days=9)
    asked = {"shipment": parcel, "scans": scans, "now": now.isoformat(), "locale": "pl"}
    assert "why" not in client.post("/track", asked).json()
    told = client.post("/track", asked | {"why": True}).json()["why"]
    same = model.track(
        as_fields(parcel),
        [{"status": "picked_up", "scanned_at": ordered + timedelta(hours=3)}],
        now,
    ).why()
    assert same is not None
    assert told["text"] == same.text("pl")
    assert told["days"] == same.days


def test_a_static_promise_waits_for_what_is_released_later(tmp_path: Path) -> None:
    client = Client(create_app(tmp_path / "nothing", fallback_days=3))
    ordered = {"ordered_at": "2026-02-01T10:00+01:00"}
    later = {"available_from": "2026-02-05T10:00+01:00"}
    for path, asked in (
        ("/quotes", ordered | later),
        ("/orders", ordered | {"parcels": [{}, later]}),
    ):
        assert client.post(path, asked).json()["estimated_delivery_date"] == "2026-02-08"
    early = {"available_from": "2026-01-05T10:00+01:00"}
    assert client.post("/quotes", ordered | early).json()["estimated_delivery_date"] == "2026-02-04"
