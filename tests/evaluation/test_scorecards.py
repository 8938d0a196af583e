"""Scorecards: counts that can be recounted, and a ranking that luck does not win."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from etapromise import tracking
from etapromise.errors import CommandError, ContractError
from etapromise.evaluation.judgement import groups_of
from etapromise.evaluation.report.page import render_scorecards
from etapromise.evaluation.scorecards import scorecard, write_scorecards
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory
from etapromise_simulator import CarrierCollapse, NetworkConfig, simulate
from tests.evaluation.test_report import SHEET, as_printed, ask_browser, needs_browser
from tests.small_network import AS_OF

if TYPE_CHECKING:
    from pathlib import Path

WEEK = pd.Timedelta(days=7)


@pytest.fixture(scope="module")
def cards(parcels: TrackedHistory) -> pd.DataFrame:
    return scorecard(parcels, as_of=AS_OF, by=("carrier", "service"))


def story(rows: list[dict[str, Any]]) -> TrackedHistory:
    """Parcels ordered at noon UTC; each row says the days after which scans came, by status."""
    shipments, scans = [], []
    for number, row in enumerate(rows):
        told = {"carrier": "acme", "service": "ground", "region": "CA"} | row
        start = pd.Timestamp(told.get("ordered", "2025-05-01T12:00"), tz="UTC")
        shipments.append(
            {
                "shipment_id": f"s{number}",
                "ordered_at": start,
                "origin": "10001",
                "destination": "90001",
                "carrier": told["carrier"],
                "service": told["service"],
                "origin_region": "NY",
                "destination_region": told["region"],
                "destination_time_zone": "UTC",
                "promised_date": date(2025, 5, 6) if told.get("promised", True) else None,
                "quoted_date": date(2025, 5, 4) if told.get("quoted", True) else None,
            }
        )
        scans += [
            {
                "shipment_id": f"s{number}",
                "scanned_at": start + pd.Timedelta(days=days),
                "status": status,
            }
            for status, days in told["scans"]
        ]
    return tracking.history(pd.DataFrame(shipments), pd.DataFrame(scans))


TALE = story(
    [
        {"scans": [("picked_up", 1), ("in_transit", 2), ("delivered", 3)]},
        {"scans": [("picked_up", 1), ("attempted", 5), ("delivered", 6)]},
        {"scans": [("picked_up", 1), ("transferred", 2), ("returning", 9), ("returned", 12)]},
        {"scans": [("picked_up", 1), ("lost", 20)]},
        {"scans": [("picked_up", 1), ("in_transit", 4)]},
        {"scans": [("picked_up", 1), ("cancelled", 2)]},
    ]
)


def test_a_card_by_hand() -> None:
    (card,) = scorecard(TALE, as_of=pd.Timestamp("2025-07-01", tz="UTC"), by=("carrier",)).to_dict(
        "records"
    )
    counts = {"parcels": 5, "delivered": 2, "open": 1, "returned": 1, "lost": 1, "damaged": 0}
    assert {name: card[name] for name in counts} == counts
    assert (card["promise_judged"], card["promise_kept"]) == (5, 1)
    assert card["promise_kept_rate"] == 0.2
    assert (card["quoted_judged"], card["quoted_kept"]) == (5, 1)
    assert card["quoted_error_50"] == np.inf  # three of five never came
    assert (card["transit_parcels"], card["transit_50"]) == (5, np.inf)
    assert (card["attempted"], card["first_attempt"], card["first_attempt_rate"]) == (2, 1, 0.5)
    assert (card["settled"], card["gone"], card["sent_back"]) == (5, 2, 1)
    assert (card["loss_rate"], card["return_rate"]) == (0.4, 0.2)
    assert (card["hand_offs"], card["hand_off_rate"]) == (1, 0.2)
    # 1, 4, 7, 19 days, and from 5 May noon to 1 July for the one that fell silent.
    assert card["silence_50"] == 7.0
    assert card["silence_90"] == pytest.approx(56.5)
    assert card["promise_kept_rate_low"] < 0.2 < card["promise_kept_rate_high"]
    assert (card["measure"], card["rank"], card["chance_best"]) == ("promise_kept", 1, 1.0)


def test_percentiles_wait_for_open_parcels() -> None:
    early = scorecard(TALE, as_of=pd.Timestamp("2025-05-05", tz="UTC"), by=("carrier",))
    assert early["open"].iloc[0] == 4
    assert early["transit_50"].isna().all()  # one of five has come; the others may yet
    assert early["settled"].iloc[0] == 0
    assert early["loss_rate"].isna().all()
    assert early["promise_judged"].iloc[0] == 0


def test_cards_can_be_recounted(cards: pd.DataFrame, parcels: TrackedHistory) -> None:
    known = parcels.known_at(AS_OF)
    recent = known.shipments["ordered_at"] >= AS_OF - pd.Timedelta(days=180)
    ended = known.milestones
    counted = recent & (ended["closed_as"] != "cancelled").fillna(value=True)
    for card in cards.to_dict("records"):
        mine = counted & (known.shipments["carrier"] == card["carrier"])
        mine &= known.shipments["service"] == card["service"]
        assert card["parcels"] == mine.sum()
        assert card["delivered"] == ended["delivered_at"][mine].notna().sum()
        assert card["hand_offs"] == ended["transferred_at"][mine].notna().sum()
        fates = ("delivered", "open", "returned", "lost", "damaged")
        assert sum(card[name] for name in fates) == card["parcels"]
    dated = [name for name in cards if name.endswith("_rate")]
    for name in dated:
        known_rate = cards[name].notna()
        if f"{name}_low" in cards:
            inside = cards[name].between(cards[f"{name}_low"], cards[f"{name}_high"])
            assert inside[known_rate].all()
    for low, high in (("50", "80"), ("80", "90"), ("90", "95")):
        assert (cards[f"transit_{low}"] <= cards[f"transit_{high}"]).all()
    middle = cards.pivot_table(index="carrier", columns="service", values="transit_50")
    assert (middle["express"] < middle["ground"]).all()


def test_later_scans_and_the_order_of_rows_change_nothing(
    cards: pd.DataFrame, parcels: TrackedHistory
) -> None:
    cut = replace(parcels, scans=parcels.scans[parcels.scans["received_at"] <= AS_OF])
    rows = np.random.default_rng(1).permutation(len(parcels.shipments))
    mixed = replace(
        cut,
        shipments=cut.shipments.iloc[rows].reset_index(drop=True),
        milestones=cut.milestones.iloc[rows].reset_index(drop=True),
        scans=cut.scans.sample(frac=1, random_state=2),
    )
    again = scorecard(mixed, as_of=AS_OF, by=("carrier", "service"))
    pd.testing.assert_frame_equal(again, cards)


def test_places_compare_their_own_partners(parcels: TrackedHistory) -> None:
    table = scorecard(parcels, as_of=AS_OF, by=("carrier", "destination_region"), measure="swift")
    assert (table["measure"] == "swift").all()
    for _, place in table.groupby("destination_region"):
        assert place["rank"].tolist() == list(range(1, len(place) + 1))
        assert place["shrunk_rate"].is_monotonic_decreasing
        assert place["chance_best"].sum() == pytest.approx(1.0)
    # Few parcels: closer to what one expects than the bare rate is.
    few = table[(table["measured"] <= 25) & (table["measured"] > 0)]
    assert len(few) > 5
    assert few["shrunk_rate"].std() < 0.7 * few["rate"].std()
    assert table["shrunk_rate"].between(0, 1).all()


def test_three_lucky_parcels_do_not_win() -> None:
    fine = [("picked_up", 1), ("delivered", 3)]
    late = [("picked_up", 1), ("delivered", 9)]
    rows = [{"carrier": "lucky", "scans": fine}] * 3
    rows += [{"carrier": "steady", "scans": fine}] * 95 + [{"carrier": "steady", "scans": late}] * 5
    rows += [{"carrier": "poor", "scans": fine}] * 60 + [{"carrier": "poor", "scans": late}] * 40
    table = scorecard(
        story(rows), as_of=pd.Timestamp("2025-07-01", tz="UTC"), by=("carrier",)
    ).set_index("carrier")
    assert table.loc["lucky", "rate"] == 1.0
    assert table["rank"].to_dict() == {"steady": 1, "lucky": 2, "poor": 3}
    assert table.loc["steady", "chance_best"] > 0.5


def test_a_partner_that_collapses_is_found() -> None:
    collapse = CarrierCollapse(
        carrier="acme", start=date(2025, 3, 10), end=date(2025, 5, 1), slowdown=2.5, lost_share=0.1
    )
    network = simulate(
        NetworkConfig(
            seed=4, start=date(2025, 3, 3), days=60, shipments_per_day=15.0, planted=(collapse,)
        )
    )
    history = tracking.history(network.shipments, network.scans)
    table = scorecard(
        history,
        as_of=pd.Timestamp("2025-05-02", tz="UTC"),
        by=("carrier",),
        measure="swift",
    ).set_index("carrier")
    assert table["rank"].idxmax() == "acme"
    assert table["transit_80"].idxmax() == "acme"
    assert table["loss_rate"].idxmax() == "acme"


def test_a_shop_without_dates_is_ranked_by_swiftness() -> None:
    rows = [{"promised": False, "scans": [("picked_up", 1), ("delivered", 3)]}] * 4
    moment = pd.Timestamp("2025-07-01", tz="UTC")
    assert set(scorecard(story(rows), as_of=moment)["measure"]) == {"quoted_kept"}
    bare = [row | {"quoted": False} for row in rows]
    table = scorecard(story(bare), as_of=moment)
    assert set(table["measure"]) == {"swift"}
    assert table["promise_kept_rate"].isna().all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": ("service",)}, "carrier among them"),
        ({"by": ("carrier", "colour")}, "expected some of carrier"),
        ({"by": ("carrier", "carrier")}, "each once"),
        ({"measure": "luck"}, "measure='luck'"),
        ({"as_of": "some day"}, "expected a moment such as"),
        ({"since": AS_OF + WEEK, "as_of": AS_OF + WEEK}, "no parcel ordered"),
        ({"smallest_group": 10**6}, "no group of at least"),
    ],
)
def test_scorecards_that_cannot_be_made(
    parcels: TrackedHistory, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        scorecard(parcels, **{"as_of": AS_OF} | asked)


def test_the_page_tells_what_the_table_tells(parcels: TrackedHistory, tmp_path: Path) -> None:
    table = scorecard(parcels, as_of=AS_OF, by=("carrier", "destination_region"))
    page = render_scorecards(table, as_of=AS_OF, most_places=2)
    busiest = table.groupby("destination_region")["parcels"].sum().nlargest(2).index
    assert page.count("<h2>") == 2
    for place in busiest:
        assert f"<h2>{place}</h2>" in page
    best = table[(table["destination_region"] == busiest[0]) & (table["rank"] == 1)].iloc[0]
    assert f'<th scope="row">{best["carrier"]}</th><td>1</td>' in page
    assert f"{table['destination_region'].nunique() - 2} more places" in page
    for suffix in (".parquet", ".csv", ".json", ".html"):
        write_scorecards(table, tmp_path / f"cards{suffix}", as_of=AS_OF)
    every = render_scorecards(table, as_of=AS_OF)
    assert (tmp_path / "cards.html").read_text(encoding="utf-8") == every
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "cards.parquet"), table)
    rows = json.loads((tmp_path / "cards.json").read_text(encoding="utf-8"))
    assert [row["rank"] for row in rows] == table["rank"].tolist()
    with pytest.raises(CommandError, match=r"\.parquet or \.csv"):
        write_scorecards(table, tmp_path / "cards.txt", as_of=AS_OF)


@needs_browser
def test_a_table_scrolls_on_a_phone_and_none_does_on_a_desk_or_paper(
    parcels: TrackedHistory, tmp_path: Path
) -> None:
    table = scorecard(parcels, as_of=AS_OF)
    page = render_scorecards(table, as_of=AS_OF)
    screens = ask_browser(page, tmp_path, widths=(375, 1280))
    phone = screens["w375"]
    assert screens["w1280"]["cut"] == 0
    paper = ask_browser(as_printed(page), tmp_path, "--hide-scrollbars", widths=(SHEET,))
    for found in (phone, paper[f"w{SHEET}"]):
        assert found["scroll"] <= found["inner"]
        assert found["outside"] == []
        assert found["requests"] == []
    assert phone["cut"] > 0
    assert phone["unmarked"] == 0
    assert paper[f"w{SHEET}"]["cut"] == 0
    for found in (*screens.values(), *paper.values()):
        value, interval = found["sizes"]
        assert interval < value


def test_dates_that_nobody_was_told_have_no_columns(parcels: TrackedHistory) -> None:
    table = scorecard(parcels, as_of=AS_OF)
    told = render_scorecards(table, as_of=AS_OF)
    assert "promise kept" in told
    nobody = table.assign(promise_kept_rate=np.nan, quoted_kept_rate=np.nan)
    untold = render_scorecards(nobody, as_of=AS_OF)
    assert "promise kept" not in untold
    assert "quoted date kept" not in untold
    counted = [part.count("</td>") + part.count("</th>") for part in untold.split("<tr>")[1:]]
    assert len(set(counted)) == 1


def test_names_are_written_as_text() -> None:
    rows = [{"carrier": "<b>acme</b>", "scans": [("picked_up", 1), ("delivered", 3)]}]
    moment = pd.Timestamp("2025-07-01", tz="UTC")
    page = render_scorecards(scorecard(story(rows), as_of=moment, by=("carrier",)), as_of=moment)
    assert "<b>acme</b>" not in page
    assert "&lt;b&gt;acme&lt;-b&gt;" in page


def test_a_lane_is_called_by_regions_postcodes_or_the_names_of_places():
    """The beginning of a postcode is a neighbourhood; that of a town's name is none."""
    shipments = pd.DataFrame(
        {
            "origin": ["Łódź", "90-001", "hub"],
            "destination": ["30-002", "SW1A 1AA", "10115"],
            "destination_region": [None, "ENG", None],
        },
        dtype=TEXT,
    )
    lanes = groups_of(shipments)["lane_group"]
    assert list(lanes) == ["Łódź → 30…", "90… → ENG", "hub → 10…"]
