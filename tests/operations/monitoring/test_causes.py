"""Alarms by cause: each once, a cause never explained by its effect."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etapromise.operations.monitoring.alarms import group_alarms

NAMES = (
    *(
        "no_orders",
        "silent_carrier",
        "unreadable_codes",
        "wrong_clock",
        "rejected_scans",
        "deliveries_behind",
    ),
    *("promises_broken", "calibration", "churn", "input_drift", "fallback", "old_model"),
)
GROUPS = ("", "carrier acme", "carrier birdpost", "service of acme · express", "region CA")


def alarm(name, group=""):
    return {"name": name, "group": group}


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(GROUPS))))
def test_every_alarm_stands_once(told):
    alarms = [{**alarm(*each), "number": n} for n, each in enumerate(told)]
    found = []
    for cause in group_alarms(alarms):
        found += [cause["number"], *(each["number"] for each in cause["follows"])]
    assert sorted(found) == list(range(len(alarms)))


def test_a_silent_carrier_explains_its_own_lateness_and_the_whole_but_no_other_carrier():
    causes = group_alarms(
        [
            alarm("promises_broken", "service of acme · express"),
            alarm("promises_broken", "carrier birdpost"),
            alarm("calibration"),
            alarm("input_drift", "weight_kg"),
            alarm("deliveries_behind", "region CA"),
            alarm("silent_carrier", "carrier acme"),
        ]
    )
    told = {cause["name"]: [each["group"] for each in cause["follows"]] for cause in causes}
    assert told == {
        "silent_carrier": ["region CA", "service of acme · express", ""],
        "promises_broken": [],
        "input_drift": [],
    }
