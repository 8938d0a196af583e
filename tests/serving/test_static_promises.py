"""Whatever goes wrong inside, a date comes; what the caller got wrong is refused as ever."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

import etapromise
from etapromise import Fallback, PromiseModel
from etapromise.errors import ContractError
from etapromise.serving.answers import fallback as answered

NOW = dt.datetime(2025, 7, 2, 22, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
PARCEL: dict[str, Any] = {"origin": "60492", "destination": "90585", "ordered_at": NOW}


def test_with_a_model_nothing_changes(model: PromiseModel, tmp_path: Path) -> None:
    for source in (model, model.save(tmp_path / "one")):
        promises = Fallback(source)
        found = promises.promise(**PARCEL)
        assert found.as_dict() == model.promise(**PARCEL).as_dict()
        assert not found.fallback
        assert promises.counts == {"model": 1}


def test_without_a_model_a_static_date_comes_until_there_is_one(
    model: PromiseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promises = Fallback(tmp_path, days=4, look_every=0.0)
    found: Any = promises.promise(**PARCEL)
    assert (found.confidence_code, found.expires_at) == (None, None)
    assert found.text("de") == "Kommt bis Sonntag, 6. Juli, an"
    assert found.order_within_text("de") == ""
    with pytest.raises(ContractError, match=r"Did you mean 0\.9"):
        promises.promise(**PARCEL, service_level=90)
    # The date of the order where it was placed, not in UTC.
    assert (found.fallback, found.date) == (True, dt.date(2025, 7, 6))
    assert promises.counts == {"no_model": 1}
    model.save(tmp_path / "one")
    (tmp_path / "current").symlink_to("one")
    assert not promises.promise(**PARCEL).fallback
    monkeypatch.setattr(PromiseModel, "promise", lambda *_, **__: 1 / 0)
    failed = promises.promise(**PARCEL)
    assert failed.fallback
    assert "ZeroDivisionError" in failed.as_dict()["messages"][0]["text"]
    assert promises.counts == {"no_model": 1, "model": 1, "failed": 1}


def test_days_may_depend_on_the_parcel(tmp_path: Path) -> None:
    promises = Fallback(tmp_path, days=lambda asked: 2 if asked.get("service") == "express" else 9)
    assert promises.promise(**PARCEL, service="express").date == dt.date(2025, 7, 4)
    assert promises.promise(**PARCEL).date == dt.date(2025, 7, 11)


def test_a_static_promise_is_that_of_the_server(tmp_path: Path) -> None:
    found = Fallback(tmp_path).promise(**PARCEL).as_dict()
    told = answered(PARCEL | {"ordered_at": NOW.isoformat()}, 7, found["messages"][0]["text"])
    assert found.items() <= told.items()


def deep(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def test_a_request_as_deep_as_one_likes_is_refused_or_told_flat() -> None:
    """Where no model answers as well: a list within a list of quotes is no quote."""
    plain = PARCEL | {"ordered_at": NOW.isoformat()}
    for asked in (deep(900), [[plain]], [plain, [plain]]):
        with pytest.raises(ContractError, match="expected a JSON object"):
            answered(asked, 7, "no model")
    odd = plain | {"price": deep(900), "name": deep(900), "carrier": {}, "service": "ground"}
    (told,) = answered({"options": [odd], **plain}, 7, "no model")["options"]
    assert [told[name] for name in ("name", "carrier", "price")] == [None] * 3
    assert told["service"] == "ground"


@pytest.mark.parametrize("days", [0, -1, 1.5, True, "7", None])
def test_days_are_whole(tmp_path: Path, days: Any) -> None:
    with pytest.raises(ContractError, match="days"):
        Fallback(tmp_path, days=days)


def test_what_the_caller_got_wrong_is_refused(model: PromiseModel, tmp_path: Path) -> None:
    for promises in (Fallback(tmp_path), Fallback(model)):
        for odd in (NOW.replace(tzinfo=None), "yesterday", 3):
            with pytest.raises(etapromise.EtapromiseError):
                promises.promise(**PARCEL | {"ordered_at": odd})
