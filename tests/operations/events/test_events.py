"""What is news: the kinds one by one, on a parcel whose story is told by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.operations.events.detection import (
    EVENT_TYPES,
    EventSettings,
    event_id,
    find_events,
    no_events,
    no_memory,
    recall,
    worth_remembering,
)
from etapromise.text_type import TEXT

START = pd.Timestamp("2025-07-01T06:00", tz="UTC")
DAY = pd.Timedelta(days=1)
PROMISED = pd.Timestamp("2025-07-08")
NO_TIME = pd.NaT
SETTINGS = EventSettings(lost_above=0.5, found_below=0.25)


def parcel(now: pd.Timestamp, **story: Any) -> pd.DataFrame:
    """One parcel under way, with nothing to tell but what `story` says."""
    quiet: dict[str, Any] = {
        "shipment_id": "s1",
        "order_id": "o1",
        "today": now.tz_localize(None).normalize(),
        "open": True,
        "attempt_count": 0,
        "closed_as": None,
        "delivered_date": NO_TIME,
        "estimated_delivery_date": PROMISED,
        "confidence": 0.92,
        "late_probability": 0.05,
        "lost_probability": 0.01,
        "likely_lost": False,
    }
    for name in ("attempted", "available", "delivered", "closed"):
        quiet |= {f"{name}_at": NO_TIME, f"{name}_known_at": NO_TIME}
    row = pd.DataFrame([quiet | story])
    for name in row:
        if name.endswith("_at"):
            row[name] = pd.to_datetime(row[name], utc=True).astype("datetime64[us, UTC]")
    dates = ["today", "delivered_date", "estimated_delivery_date"]
    return row.astype(dict.fromkeys(dates, "datetime64[s]") | {"closed_as": TEXT})


def at(name: str, moment: pd.Timestamp) -> dict[str, pd.Timestamp]:
    return {f"{name}_at": moment, f"{name}_known_at": moment}


class Story:
    """Looks at one parcel, one a day, and what was told of it."""

    def __init__(self, settings: EventSettings = SETTINGS) -> None:
        self.memory, self.day, self.settings = no_memory(), 0, settings

    def look(self, **story: Any) -> list[tuple[str, str]]:
        now = START + self.day * DAY
        row = parcel(now, **story)
        for _ in range(2):  # The second look at the same moment must have nothing to add.
            recalled = recall(
                self.memory, row["shipment_id"], np.array([PROMISED], "datetime64[D]")
            )
            news = find_events(row, recalled, now=now, settings=self.settings, model_version="v")
            if _ == 0:
                first = news.events
            else:
                assert news.events.empty
            self.memory = news.memory
        self.day += 1
        self.events = first
        return list(zip(first["event"], first["reason"], strict=True))


def test_a_parcel_that_comes_in_time_is_told_of_once() -> None:
    story = Story()
    assert story.look() == []
    came = at("delivered", START) | {"delivered_date": PROMISED}
    assert story.look(open=False, **came) == [("delivered", "on_time")]
    event = story.events.iloc[0]
    assert event["text"] == "Delivered on 2025-07-08, in time for 2025-07-08."
    assert event["event_id"] == event_id("s1", "delivered")
    assert story.events.dtypes.astype(str).to_dict() == EVENT_TYPES
    assert story.look(open=False, **came) == []


def test_an_end_that_was_none_is_corrected_and_the_true_one_told() -> None:
    story = Story()
    story.look()
    mistake = at("delivered", START) | {"delivered_date": PROMISED}
    assert story.look(open=False, **mistake) == [("delivered", "on_time")]
    first = story.events["event_id"][0]
    assert story.look() == [("reopened", "was_not_delivered")]
    assert story.look() == []
    late = at("delivered", START + 3 * DAY) | {"delivered_date": PROMISED + 3 * DAY}
    assert story.look(open=False, **late) == [("delivered", "late")]
    assert story.events["event_id"][0] != first
    # Mistake and correction between two looks.
    last = at("delivered", START + 4 * DAY) | {"delivered_date": PROMISED + 4 * DAY}
    assert story.look(open=False, **last) == [
        ("reopened", "was_not_delivered"),
        ("delivered", "late"),
    ]
    assert story.look(open=False, **last) == []


def test_a_way_back_that_was_none_is_corrected() -> None:
    story = Story()
    story.look()
    assert story.look(open=False, closed_as="returned", **at("closed", START)) == [
        ("returned", "carrier_says_returned")
    ]
    assert story.look() == [("reopened", "does_not_go_back")]
    came = at("delivered", START + 3 * DAY) | {"delivered_date": PROMISED}
    assert story.look(open=False, **came) == [("delivered", "on_time")]


def test_what_ends_otherwise_is_called_by_its_name() -> None:
    for word, event in (("returned", "returned"), ("damaged", "damaged"), ("lost", "likely_lost")):
        story = Story()
        ended = at("closed", START) | {"closed_as": word, "open": False}
        assert story.look(**ended) == [(event, f"carrier_says_{word}")]
        assert pd.isna(story.events["new_date"].iloc[0])
        assert story.look(**ended) == []
        # A lost parcel that is found after all.
        found = at("delivered", START) | {"delivered_date": PROMISED + 3 * DAY}
        assert story.look(**ended | found) == [("delivered", "late")]
    cancelled = at("closed", START) | {"closed_as": "cancelled", "open": False}
    assert Story().look(**cancelled) == []


def test_every_attempt_and_one_notice_of_pickup() -> None:
    story = Story()
    tried = {"attempt_count": 1} | at("attempted", START)
    assert story.look(**tried) == [("attempted", "nobody_took_it")]
    again = {"attempt_count": 2} | at("attempted", START + DAY)
    assert story.look(**again) == [("attempted", "nobody_took_it")]
    assert story.events["text"].iloc[0].endswith("attempt 2.")
    waits = again | at("available", START + DAY) | {"open": False}
    assert story.look(**waits) == [("available_for_pickup", "waits_for_pickup")]
    # From there on it is the customer who is late: no date is told.
    late = waits | {"late_probability": 0.99, "estimated_delivery_date": PROMISED + 5 * DAY}
    assert [story.look(**late) for _ in range(4)] == [[]] * 4


def test_a_delay_is_told_with_both_dates_and_not_for_a_lost_parcel() -> None:
    late = {"late_probability": 0.9, "estimated_delivery_date": PROMISED + 4 * DAY}
    story = Story()
    assert [story.look(**late), story.look(**late)] == [[], [("delayed", "chance_fell")]]
    event = story.events.iloc[0]
    assert (event["original_date"], event["standing_date"], event["new_date"]) == (
        PROMISED,
        PROMISED,
        PROMISED + 4 * DAY,
    )
    assert event["text"] == (
        "Expected by 2025-07-12 instead of 2025-07-08, which is kept with only 10%."
    )
    gone = Story()
    said = [gone.look(**late, lost_probability=0.7) for _ in range(3)]
    assert said == [[("likely_lost", "silence")], [], []]


def test_a_loss_is_told_again_only_after_a_sign_of_life() -> None:
    story = Story()
    chances = (0.4, 0.55, 0.45, 0.6, 0.2, 0.3, 0.52, 0.9)
    told = [bool(story.look(lost_probability=chance)) for chance in chances]
    assert told == [False, True, False, False, False, False, True, False]
    predicted = Story(EventSettings())
    assert predicted.look(lost_probability=0.3, likely_lost=True) == [("likely_lost", "silence")]
    assert predicted.look(lost_probability=0.3, likely_lost=False) == []


def test_old_news_of_an_unknown_parcel_is_none() -> None:
    long_ago = START - 8 * DAY
    for story in (
        at("delivered", long_ago) | {"delivered_date": PROMISED, "open": False},
        at("closed", long_ago) | {"closed_as": "returned", "open": False},
        at("attempted", long_ago) | {"attempt_count": 1},
        at("available", long_ago) | {"open": False},
    ):
        unknown = Story()
        assert unknown.look(**story) == []
        known = Story()
        known.look()
        assert len(known.look(**story)) == 1


def test_what_is_over_is_forgotten_after_a_while() -> None:
    story = Story()
    story.look(open=False, **at("delivered", START), delivered_date=PROMISED)
    for days, left in ((7, 1), (7.1, 0)):
        now = START + pd.Timedelta(days=days)
        assert len(worth_remembering(story.memory, now=now, settled_days=7, gone_days=180)) == left
    silent = Story()
    silent.look()
    for days, left in ((180, 1), (181, 0)):
        now = START + pd.Timedelta(days=days)
        assert len(worth_remembering(silent.memory, now=now, settled_days=7, gone_days=180)) == left


def test_nothing_is_an_empty_table_of_the_same_columns() -> None:
    assert no_events().dtypes.astype(str).to_dict() == EVENT_TYPES


@pytest.mark.parametrize(
    "settings",
    [
        {"lost_above": 0.2, "found_below": 0.3},
        {"lost_above": 1.2},
        {"most_age_days": 200},
        {"most_age_days": -1},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="expected"):
        EventSettings(**settings)
