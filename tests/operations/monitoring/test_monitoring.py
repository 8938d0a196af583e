"""Watching a model at work: what is counted, what sounds an alarm, and what stays silent."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from etapromise import tracking
from etapromise.cli import main
from etapromise.errors import CommandError, ContractError
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.monitoring import alarms as alarms_module
from etapromise.operations.monitoring.alarms import alarms_of
from etapromise.operations.monitoring.drift import stability_index
from etapromise.operations.monitoring.prometheus import prometheus_text
from etapromise.operations.monitoring.promises import DeliveryFlow
from etapromise.operations.monitoring.run import monitor
from etapromise.operations.monitoring.scan_flow import silent_carriers
from etapromise.operations.monitoring.thresholds import MonitorConfig, Thresholds, read_thresholds
from etapromise_simulator import VendorCodeChange, WrongZone, simulate
from tests.evaluation.test_report import ask_browser, needs_browser
from tests.small_network import AS_OF, NETWORK

NOW = AS_OF + pd.Timedelta(days=7)
LATER = AS_OF + pd.Timedelta(days=14)
CONFIG = MonitorConfig(promises="model", days=50, refresh_every=20)
SHORT = replace(CONFIG, days=12)


@pytest.fixture(scope="module")
def healthy(parcels, model):
    return monitor(model, parcels, as_of=NOW, config=CONFIG)


def alarms(findings):
    return {(alarm.name, alarm.group) for alarm in findings.alarms}


def planted(event):
    found = simulate(replace(NETWORK, planted=(event,)))
    return tracking.history(found.shipments, found.scans)


def test_a_healthy_network_raises_no_alarm(healthy):
    assert healthy.alarms == []
    assert healthy.facts["calibration"]["distance"] < 0.1


def test_the_counts_can_be_recounted_from_the_table(healthy):
    table = healthy.table
    told = table[table["promised_day"].notna()]
    judged = told[(told["promised_day"] <= told["known_until"]) & (told["outcome"] != "cancelled")]
    overall = healthy.facts["promises"]["overall"]
    assert overall["judged"] == len(judged) > 200
    assert overall["kept"] == (judged["event_day"] <= judged["promised_day"]).sum()
    assert overall["mean_confidence"] == pytest.approx(judged["stated"].mean())
    arrived = judged[judged["event_day"].notna()]
    early = (arrived["promised_day"] - arrived["event_day"]).mean()
    assert overall["buffer_days"] == pytest.approx(early)
    for rows in healthy.facts["promises"]["by"].values():
        assert sum(row["judged"] for row in rows) == overall["judged"]
        assert sum(row["kept"] for row in rows) == overall["kept"]


def test_only_forecasts_that_had_not_seen_the_orders_count(healthy, model):
    # The hold-out forest speaks for the weeks before the training, nobody for those before it.
    table = healthy.table
    first = table.loc[table["pit"].notna(), "ordered_at"].min()
    held_out = AS_OF - pd.Timedelta(days=int(model.manifest["holdout_days"]))
    assert first >= held_out
    assert table.loc[table["ordered_at"] < held_out, "stated"].isna().all()
    later = table[table["ordered_at"] >= AS_OF]
    assert later["pit"].notna().all()


def test_what_comes_later_changes_nothing(parcels, model, healthy):
    again = monitor(model, parcels.known_at(NOW), as_of=NOW, config=CONFIG)
    pd.testing.assert_frame_equal(again.table, healthy.table)


def test_dates_that_were_promised_are_judged_and_what_was_said_of_them(parcels, model):
    shipments = parcels.shipments.copy()
    told = shipments["ordered_at"] >= AS_OF - pd.Timedelta(days=30)
    shipments["promised_date"] = shipments["promised_date"].where(told)
    shipments["promised_confidence"] = np.where(told, 0.75, np.nan)
    config = replace(SHORT, days=50, promises="auto")
    found = monitor(model, replace(parcels, shipments=shipments), as_of=NOW, config=config)
    table = found.table
    shop = table["source"] == "shop"
    assert set(table.loc[shop, "ordered_at"] >= AS_OF - pd.Timedelta(days=30)) == {True}
    assert (table.loc[shop, "promised_day"] == table.loc[shop, "shop_day"]).all()
    assert (table.loc[shop, "stated"] == 0.75).all()
    assert found.facts["data"]["shop"] == shop.sum()


def test_kept_versions_say_what_was_said(tmp_path, parcels, model):
    registry = ModelRegistry(tmp_path)
    fresher = model.refresh(parcels, as_of=AS_OF + pd.Timedelta(days=3))
    for each in (model, fresher):
        registry.promote(registry.add(each), why="test")
    found = monitor(fresher, parcels, as_of=NOW, config=SHORT, registry=str(tmp_path))
    table = found.table
    day = (table["ordered_at"] - NOW) // pd.Timedelta(days=1)
    for number, rows in table[table["ordered_at"] >= AS_OF].groupby(day):
        start = (NOW + number * pd.Timedelta(days=1)).to_pydatetime()
        assert set(rows["model_version"]) == {registry.load_at(start).version}
    orders = parcels.shipments[parcels.shipments["ordered_at"].between(AS_OF, NOW)].tail(20)
    said = fresher.promise_many(orders.reset_index(drop=True))
    ours = table.set_index("shipment_id").loc[orders["shipment_id"], "stated"]
    np.testing.assert_array_equal(ours.to_numpy(), said["confidence"].to_numpy())
    assert [row["version"] for row in found.facts["churn"]] == [registry.current]


def test_codes_that_were_never_seen_are_reported_with_their_carrier(model):
    history = planted(VendorCodeChange(vocabulary="aftership", start=date(2025, 7, 10)))
    found = monitor(model, history, as_of=LATER, config=SHORT)
    (row,) = found.facts["scan_flow"]["unreadable"]
    assert row["new"]
    assert all(code.startswith("v2.") for code in row["codes"])
    assert ("unreadable_codes", f"carrier {row['carrier']}") in alarms(found)
    assert not any(name == "silent_carrier" for name, _ in alarms(found))


def test_times_in_a_wrong_zone_are_reported_with_their_carrier(model):
    history = planted(WrongZone(carrier="acme", start=date(2025, 7, 8), end=date(2025, 7, 15)))
    found = monitor(model, history, as_of=LATER, config=SHORT)
    assert {group for name, group in alarms(found) if name == "wrong_clock"} == {"carrier acme"}


def test_a_carrier_that_went_silent_is_told_from_those_that_did_not(parcels):
    scans = parcels.scans
    cut = (scans["carrier"] == "corvid") & (scans["received_at"] > NOW - pd.Timedelta(days=2))
    history = replace(parcels, scans=scans[~cut].reset_index(drop=True))
    rows = {row["carrier"]: row for row in silent_carriers(history, as_of=NOW)}
    assert rows["corvid"]["received"] == 0
    assert rows["corvid"]["hours_since_last"] >= 48
    assert rows["corvid"]["luck"] < 1e-4
    assert all(row["luck"] > 1e-4 for name, row in rows.items() if name != "corvid")


def test_a_public_holiday_is_no_silence_and_what_is_quiet_beside_it_is_one(parcels):
    """Independence Day 2025, a Friday, in the United States."""
    history = parcels.known_at(pd.Timestamp("2025-07-05", tz="UTC"))
    scans, shipments = history.scans, history.shipments
    acme = scans["carrier"] == "acme"
    quiet = acme & (scans["received_at"] > pd.Timestamp("2025-07-03", tz="UTC"))
    silent = replace(history, scans=scans[~quiet].reset_index(drop=True))

    def row(history, as_of):
        rows = silent_carriers(history, as_of=pd.Timestamp(as_of, tz="UTC"))
        return next(row for row in rows if row["carrier"] == "acme")

    # Thursday and the holiday: Thursday alone tells.
    assert row(silent, "2025-07-05T06:00")["hours"] == 24
    assert row(silent, "2025-07-05T06:00")["luck"] < 1e-4
    # Only the holiday was quiet.
    quiet = acme & (scans["received_at"] > pd.Timestamp("2025-07-04T05:00", tz="UTC"))
    holiday = replace(history, scans=scans[~quiet].reset_index(drop=True))
    assert row(holiday, "2025-07-05T05:00")["luck"] > 0.01
    # In a country where it is none, the same silence is one.
    abroad = replace(holiday, shipments=shipments.assign(destination_country="DE"))
    assert row(abroad, "2025-07-05T05:00")["hours"] == 48


@pytest.mark.parametrize("orders_go_on", [True, False])
def test_a_weekend_without_a_file_makes_nobody_slow(parcels, model, orders_go_on):
    end = NOW - pd.Timedelta(days=3)
    scans = parcels.scans[parcels.scans["received_at"] <= end].reset_index(drop=True)
    history = parcels.known_at(end)
    if orders_go_on:
        history = tracking.history(parcels.shipments, scans)
    slow = {"deliveries_behind", "promises_broken", "calibration"}

    def blamed(as_of):
        found = monitor(model, history, as_of=as_of, config=SHORT)
        return found, {alarm for alarm in alarms(found) if alarm[0] in {*slow, "no_scans"}}

    _, before = blamed(end)
    monday, told = blamed(NOW)
    assert told <= before
    assert monday.facts["data"]["quiet_days"] == pytest.approx(3, abs=0.3)
    lately, told = blamed(NOW + pd.Timedelta(days=2))
    assert told - before == {("no_scans", "")}
    assert lately.facts["causes"][0]["name"] == "no_scans"
    assert not list(alarms_module._ended(lately.facts, Thresholds(quiet_days=6)))


class Forecast:
    def __init__(self, origin, probability):
        self.origin_dates = origin
        self.probability = probability


def flow_of(rng, slowdown, count=3000):
    """Parcels whose days follow the forecast, or take `slowdown` times as long in the last week."""
    last = np.datetime64("2025-06-30", "D")
    origin = last - rng.integers(0, 60, count).astype("timedelta64[D]")
    mass = rng.dirichlet(np.ones(8), count) * rng.uniform(0.9, 1.0, (count, 1))
    probability = np.cumsum(mass, axis=1)
    day = (rng.random(count)[:, None] > probability).sum(axis=1).astype(float)
    day[day == 8] = np.inf
    week = last - np.timedelta64(6, "D")
    start = np.maximum((week - origin).astype(float), 0)
    day = np.where(day >= start, start + np.floor((day - start) * slowdown), day)
    group = np.where(rng.random(count) < 0.5, "a", "b")
    if slowdown > 1:  # only one of them is slow
        fast = (rng.random(count)[:, None] > probability).sum(axis=1).astype(float)
        fast[fast == 8] = np.inf
        day = np.where(group == "a", day, fast)
    age = (last - origin).astype(float)
    table = pd.DataFrame(
        {
            "carrier": group,
            "destination_region": "all",
            "outcome": "delivered",
            "event_day": np.where(day <= age, day, np.nan),
        }
    )
    flow = DeliveryFlow(last_date=last)
    flow.add(table, Forecast(origin, probability))
    return flow, table, origin, probability


@pytest.mark.parametrize(
    ("ratio", "days", "deviations", "told"),
    [
        (0.80, 7, -4.5, True),
        (0.80, 7, -3.5, False),
        # A third less for three days needs less to be believed; for two it may be a holiday.
        (0.60, 3, -2.6, True),
        (0.60, 2, -2.6, False),
        (0.60, 2, -4.5, True),
        (0.60, 3, -2.4, False),
        (0.70, 5, -2.6, False),
        (1.60, 5, 9.0, False),
    ],
)
def test_who_is_behind_is_told_by_how_much_and_how_surely(healthy, ratio, days, deviations, told):
    row = {
        "group": "acme",
        "days": days,
        "from": "2025-02-05",
        "to": "2025-02-07",
        "observed": round(100 * ratio),
        "expected": 100.0,
        "ratio": ratio,
        "deviations": deviations,
    }
    facts = copy.deepcopy(healthy.facts) | {"deliveries": {"carrier": [row]}}
    found = [each.group for each in alarms_of(facts, Thresholds()) if "behind" in each.name]
    assert found == (["carrier acme"] if told else [])


def test_deliveries_follow_a_forecast_that_is_right_and_fall_behind_where_it_is_slow():
    rng = np.random.default_rng(3)
    right = flow_of(rng, 1.0)[0].standing("carrier")
    assert all(abs(row["deviations"]) < 3.5 and abs(row["ratio"] - 1) < 0.3 for row in right)
    slow = {row["group"]: row for row in flow_of(rng, 3.0)[0].standing("carrier")}
    assert slow["a"]["deviations"] < -4
    assert slow["a"]["ratio"] < 0.8
    assert slow["b"]["deviations"] > -3.5


def test_expected_deliveries_are_the_sum_of_each_days_hazard():
    flow, table, origin, probability = flow_of(np.random.default_rng(4), 1.0, count=60)
    day = np.datetime64("2025-06-20", "D")
    expected = observed = 0.0
    for row, start, chance in zip(table.itertuples(), origin, probability, strict=True):
        k = int((day - start).astype(int))
        if row.carrier != "a" or not 0 <= k < 8:
            continue
        if row.event_day < k:
            continue
        before = chance[k - 1] if k else 0.0
        expected += (chance[k] - before) / (1 - before)
        observed += row.event_day == k
    found = flow.by_day("carrier")
    found = found[(found["group"] == "a") & (found["date"] == day.astype(int))].iloc[0]
    assert found["expected"] == pytest.approx(expected)
    assert found["observed"] == observed


def test_the_stability_index_is_zero_of_the_same_symmetric_and_mostly_within_its_luck():
    rng = np.random.default_rng(0)
    counts = np.array([500.0, 300.0, 200.0])
    assert stability_index(counts, counts)[0] == pytest.approx(0)
    other = np.array([300.0, 300.0, 400.0])
    assert stability_index(counts, other)[0] == pytest.approx(stability_index(other, counts)[0])
    p, q = (other + 0.5) / 1001.5, (counts + 0.5) / 1001.5
    assert stability_index(counts, other)[0] == pytest.approx(((p - q) * np.log(p / q)).sum())
    share = np.full(10, 0.1)
    lucky = [
        np.less(*stability_index(rng.multinomial(900, share) + 0.0, rng.multinomial(300, share)))
        for _ in range(1000)
    ]
    assert np.mean(lucky) > 0.995


def test_orders_of_another_kind_are_drift(parcels, model, healthy):
    assert all(row["index"] < 0.1 + row["by_luck"] for row in healthy.facts["drift"])
    shipments = parcels.shipments.copy()
    lately = shipments["ordered_at"] >= NOW - pd.Timedelta(days=7)
    shipments.loc[lately, "weight_kg"] *= 4
    shipments.loc[lately, "destination_region"] = "XX"
    found = monitor(model, replace(parcels, shipments=shipments), as_of=NOW, config=CONFIG)
    assert {
        ("input_drift", "weight_kg"),
        ("input_drift", "destination_region"),
    } <= alarms(found)
    heavy = next(row for row in found.facts["drift"] if row["input"] == "destination_region")
    assert heavy["moved"]["value"] == "XX"
    assert heavy["moved"]["share"] == 1.0


def test_files_say_the_same_and_prometheus_can_read_them(tmp_path, healthy):
    page = healthy.write(tmp_path)
    assert json.loads((tmp_path / "monitor.json").read_text()) == json.loads(
        json.dumps(healthy.facts)
    )
    lines = (tmp_path / "metrics.prom").read_text().splitlines()
    sample = re.compile(
        r'^etapromise_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[\d.e+-]+$'
    )
    assert all(line.startswith(("# HELP ", "# TYPE ")) or sample.match(line) for line in lines)
    overall = healthy.facts["promises"]["overall"]["kept_rate"]
    name = healthy.facts["model"]["name"]
    whose = f'market="",model="{name}"'
    assert f'etapromise_kept_ratio{{{whose},by="all",group=""}} {overall:.10g}' in lines
    labels = [line.partition("{")[2].partition("}")[0] for line in lines if line[0] != "#"]
    # A date as a label would be a new series every night.
    assert not any(re.search(r"20\d\d-", text) for text in labels)
    assert f"etapromise_alarms{{{whose}}} 0" in lines
    text = page.read_text()
    assert "Nothing to worry about" in text
    assert not re.search(r"<(link|iframe|object|img)\b", text)
    assert re.findall(r"<script[^>]*>", text) == ["<script>"]
    assert not re.search(r">\s*(None|nan)\b", text)
    assert len(pd.read_parquet(tmp_path / "promises.parquet")) == len(healthy.table)


def test_labels_are_escaped(healthy):
    facts = json.loads(json.dumps(healthy.facts))
    facts["promises"]["by"]["carrier"][0]["group"] = 'a "b"\\\nc'
    assert r'group="a \"b\"\\\nc"' in prometheus_text(facts)


def test_thresholds_come_from_toml_and_unknown_ones_are_refused(tmp_path):
    path = tmp_path / "limits.toml"
    path.write_text("days = 30\n[thresholds]\nkept_short = 0.01\n")
    config = read_thresholds(path)
    assert (config.days, config.thresholds.kept_short) == (30, 0.01)
    assert config.thresholds.psi == Thresholds().psi
    path.write_text("[thresholds]\nkept_shrot = 0.01\n")
    with pytest.raises(CommandError, match="kept_shrot"):
        read_thresholds(path)
    path.write_text("[thresholds\n")
    with pytest.raises(CommandError, match="TOML"):
        read_thresholds(path)
    with pytest.raises(ContractError, match="psi"):
        Thresholds(psi=-1)
    with pytest.raises(ContractError, match="promises"):
        MonitorConfig(promises="ours")


def test_a_model_that_knows_more_than_the_moment_is_refused(parcels, model):
    with pytest.raises(CommandError, match="later than"):
        monitor(model, parcels, as_of=AS_OF - pd.Timedelta(days=1))


def test_the_command_writes_its_files_and_its_exit_code_tells_alarm_from_failure(
    tmp_path, simulation, model
):
    simulation.shipments.to_parquet(tmp_path / "shipments.parquet")
    simulation.scans.to_parquet(tmp_path / "scans.parquet")
    model.save(tmp_path / "model")

    def run(*more):
        parts = ["monitor", "--model", tmp_path / "model", "--as-of", NOW.isoformat()]
        parts += ["--shipments", tmp_path / "shipments.parquet"]
        parts += ["--scans", tmp_path / "scans.parquet", "--out", tmp_path / "report"]
        parts += ["--days", 9, "--refresh-every", 9, *more]
        return CliRunner().invoke(main, [str(part) for part in parts])

    found = run()
    assert found.exit_code == 0, found.output
    assert found.stdout == f"{tmp_path / 'report' / 'report.html'}\n"
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names - {"scan_rejects.parquet"} == {
        *("report.html", "monitor.json", "metrics.prom", "promises.parquet")
    }
    stale = ("--threshold", "refresh_age_days=6", "--told", tmp_path / "report" / "told.json")
    found = run(*stale)
    assert found.exit_code == 3
    assert found.stdout.startswith("stale_statistics: the model was last refreshed 7.0 days ago")
    as_json = run(*stale, "--json")
    assert as_json.exit_code == 3
    written = json.loads((tmp_path / "report" / "monitor.json").read_text(encoding="utf-8"))
    assert json.loads(as_json.stdout) == written
    assert run("--threshold", "refresh_age=6").exit_code == 2
    assert run("--as-of", "2025-06-01").exit_code == 1
    # The next morning it is as told; of three days no promise has run out yet.
    few = run(*stale, "--days", "3", "--as-of", (NOW + pd.Timedelta(days=1)).isoformat())
    assert few.exit_code == 0, few.output
    assert f"8.0 days ago, allowed are 6 (since {NOW:%F}, told on {NOW:%F})" in few.stdout
    (tmp_path / "report" / "told.json").write_text("{", encoding="utf-8")
    assert run(*stale).exit_code == 2
    # A feed that ended long ago is an alarm, and a page about the time before.
    dead = run("--as-of", "2025-12-20T00:00Z")
    assert dead.exit_code == 3, dead.output
    assert dead.stdout.startswith("no_orders: the newest order came 148 days ago")
    told = json.loads((tmp_path / "report" / "monitor.json").read_text())
    assert told["data"]["orders"] > 100
    assert {one["group"] for one in told["alarms"] if one["name"] == "silent_carrier"}


@needs_browser
def test_a_browser_shows_the_page_on_a_phone_without_asking_anybody(tmp_path, healthy):
    page = healthy.write(tmp_path / "report").read_text()
    assert "Carrier scorecards" in page
    for width, facts in ask_browser(page, tmp_path).items():
        assert facts["inner"] == int(width[1:])
        assert facts["scroll"] <= facts["inner"], facts["outside"]
        assert facts["outside"] == []
        assert facts["requests"] == []
