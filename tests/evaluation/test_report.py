"""The report: what it says, and how it stands in a real browser."""

from __future__ import annotations

import ast
import copy
import html
import json
import re
import shutil
import string
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.evaluation.backtest import run_backtest
from etapromise.evaluation.report import findings, monitor_page
from etapromise.evaluation.report import page as page_module
from etapromise.evaluation.report.page import render_backtest
from etapromise.evaluation.report.wording import REPORT_LANGUAGES, wording
from etapromise.evaluation.summary import OTHERS, summary_of
from etapromise.promise.confidence import CODES
from tests.evaluation.conftest import CONFIG
from tests.evaluation.oracle_forecaster import TrainOracle

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ENGLISH = wording()
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no browser found: apt-get install chromium to test the page in one"
)


@pytest.fixture(scope="module")
def page(walked):
    return render_backtest(walked.facts)


def test_the_page_is_whole_and_asks_nobody_for_anything(page):
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert all(link.startswith("#") for link in re.findall(r'\b(?:src|href)="([^"]*)', page))
    assert not re.search(r"<(link|iframe|object|img)\b", page)
    assert re.findall(r"<script[^>]*>", page) == ["<script>"]
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|sendBeacon)\b", page)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "{{" not in page
    assert len(page) < 500_000
    assert not re.search(r">\s*(None|nan)\b", page)


def test_the_same_facts_give_the_same_page_also_by_way_of_json(page, walked):
    assert render_backtest(json.loads(json.dumps(walked.facts))) == page


def test_every_drawing_is_well_formed_and_has_ids_and_colours_of_its_own(page):
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 7
    seen: set[str] = set()
    for drawing in drawings:
        tree = ET.fromstring(drawing)  # noqa: S314 (our own drawing)
        assert tree.attrib["role"] == "img"
        assert tree.attrib["aria-label"].strip()
        ids = {node.attrib["id"] for node in tree.iter() if "id" in node.attrib}
        assert not ids & seen
        seen |= ids
        used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", drawing))
        assert used <= ids
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) <= {"#ffffff", "#000000"}


def test_plots_stand_alone_as_svg_files(walked):
    plots = walked.plots()
    assert set(plots) >= {"levels", "reliability", "periods", "frontier", "sharpness", "pit"}
    for drawing in plots.values():
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (ours)
        assert "var(" not in drawing


def test_what_the_page_says_first_is_what_was_measured(page, walked):
    main = walked.facts["service_levels"][1]
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    assert f"kept {ENGLISH.percent(main['kept_rate'])} of the time" in text
    assert f"{ENGLISH.number(main['judged'])} promises have run out" in text
    for group in walked.facts["by"]["carrier_service"]:
        assert ENGLISH.percent(group["kept_rate"]) in text


def test_a_page_without_a_shop_and_one_with_nothing_judged(walked, network, tracked):
    alone = copy.deepcopy(walked.facts) | {"shop": None}
    told = re.sub(r"<(style|script)>.*?</\1>", "", render_backtest(alone), flags=re.DOTALL)
    assert "shop" not in told
    unknown = walked.table.assign(known_until=-5.0)
    facts = walked.facts | summary_of(
        unknown, service_levels=CONFIG.service_levels, main_level=0.9, smallest_group=30
    )
    assert "No promise can be judged yet" in render_backtest(facts)


def test_names_from_the_data_cannot_become_markup(walked):
    facts = copy.deepcopy(walked.facts)
    facts["by"]["lane_group"][0]["group"] = "<script>alert(1)</script>"
    facts["by"]["carrier_service"][0]["group"] = "<b>x</b> · <i>y</i>"
    page = render_backtest(facts)
    assert "<script>alert" not in page
    assert "<i>y" not in page


def messages():
    """Every message of the pages, read off the templates and the code."""
    found: set[str] = set()
    for path in files(page_module.__package__).iterdir():
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if path.name.endswith(".jinja"):
            found |= set(re.findall(r'\b_\("((?:[^"\\]|\\.)*)"', text))
            for choices in re.findall(r"_\(\{(.*?)\}\[", text):
                found |= set(re.findall(r': "([^"]*)"', choices))
        if path.name.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "words":
                    found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    for table in (page_module._CAUSES, monitor_page.ALARM_ADVICE, monitor_page._MEASURES):
        found |= set(table.values())
    found |= {*page_module._RANKED_BY.values(), *CODES.values()}
    return found | {"month", "week"}


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", [each for each in REPORT_LANGUAGES if each != "en"])
def test_every_message_of_a_page_is_translated_with_its_values(language):
    known = wording(language)
    wanted = messages()
    assert len(wanted) > 200
    assert {each for each in wanted if each not in known._told} == set()
    assert set(known._told) - wanted == {""} & set(known._told)
    for message in wanted:
        assert placeholders(known._told[message]) == placeholders(message), message


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
def test_a_page_is_written_in_a_language(language, walked):
    page = render_backtest(walked.facts, language=language)
    assert f'<html lang="{language}">' in page
    rate = walked.facts["service_levels"][1]["kept_rate"]
    assert wording(language).percent(rate) in html.unescape(page)
    assert ("The band from" in page) == (language == "en")


def test_a_language_without_a_catalogue_is_refused_by_name(walked):
    with pytest.raises(ContractError, match=r"'xx'.*expected one of en, de, es, fr"):
        walked.to_html(language="xx")
    assert walked.to_html(language="de-AT") == walked.to_html(language="de")


def test_the_verdict_follows_the_numbers(walked, network, tracked):
    assert findings.verdict(walked.facts, ENGLISH).tone == "good"
    few = replace(CONFIG, start=pd.Timestamp("2025-06-20", tz="UTC"))
    hurried = run_backtest(tracked, few, fit=TrainOracle(network.config, hurry=1))
    assert findings.verdict(hurried.facts, ENGLISH).tone == "bad"
    late = run_backtest(tracked, few, fit=TrainOracle(network.config, hurry=-2))
    assert findings.verdict(late.facts, ENGLISH).tone == "cautious"


def test_of_a_single_group_of_lanes_nothing_is_said_beside_the_verdict(walked):
    facts = copy.deepcopy(walked.facts)
    assert any("groups of lanes" in each for each in findings.findings(facts, ENGLISH))
    facts["by"]["lane_group"] = facts["by"]["lane_group"][:1]
    assert not any("groups of lanes" in each for each in findings.findings(facts, ENGLISH))


def test_the_surest_shortfall_comes_first_and_the_unjudged_last():
    def group(name, rate, low, high, judged=100):
        stated = 0.92 if judged else None
        return {
            "group": name,
            "judged": judged,
            "kept_rate": rate,
            "kept_low": low,
            "kept_high": high,
            "mean_confidence": stated,
        }

    ranked = findings.worst_first(
        [
            group("none", None, None, None, judged=0),
            group("small and unlucky", 0.70, 0.45, 0.95),
            group("large and short", 0.88, 0.87, 0.89),
            group("good", 0.93, 0.92, 0.94),
        ]
    )
    assert [row["group"] for row in ranked] == [
        "large and short",
        "good",
        "small and unlucky",
        "none",
    ]


def test_what_is_rounded_to_nothing_has_no_sign():
    for language in REPORT_LANGUAGES:
        told = [wording(language).signed(value) for value in (-0.01, 0.0, 0.04)]
        assert len(set(told)) == 1
        assert told[0][0] == "0"
        assert wording(language).signed(-0.06)[0] == "\u2212"


def test_the_others_of_a_group_are_named_in_the_language(walked):
    facts = copy.deepcopy(walked.facts)
    facts["by"]["lane_group"][0]["group"] = OTHERS
    for language, others in (("en", "all others"), ("de", "alle übrigen")):
        assert f"{others}</span>" in render_backtest(facts, language=language)


def test_a_verdict_says_nearly_where_luck_does_not_explain_the_rest(walked):
    facts = copy.deepcopy(walked.facts)
    main = next(row for row in facts["service_levels"] if row["service_level"] == 0.9)
    main |= {"kept_rate": 0.906, "kept_low": 0.898, "kept_high": 0.913}
    main |= {"mean_confidence": 0.923, "gap": -0.017}
    assert "nearly as often as stated" in findings.verdict(facts, ENGLISH).explanation
    main |= {"kept_high": 0.93}
    assert "nearly" not in findings.verdict(facts, ENGLISH).explanation


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    """WCAG 2.2: a contrast of 4.5 for text."""
    style = files("etapromise.evaluation.report").joinpath("page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme == "dark"]))
    pairs = [(ink, "card") for ink in ("text", "muted", "ours", "shop", "good", "bad")]
    pairs += [("text", ground) for ground in ("paper", "good-soft", "short-soft", "bad-soft")]
    pairs += [("muted", ground) for ground in ("paper", "good-soft", "short-soft", "bad-soft")]
    for ink, ground in pairs:
        bright, dim = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, ground)


PROBE = """
<!doctype html><body style="margin:0">{frames}<script>
addEventListener("load", () => setTimeout(() => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, view = frame.contentWindow;
    const outside = [...page.querySelectorAll("main *")].filter((e) =>
      !e.parentElement.closest(".scroll") && e.getBoundingClientRect().right > view.innerWidth + 1);
    const letters = [...page.querySelectorAll("svg text")];
    const text = letters.map((e) => e.getBoundingClientRect().height);
    found[frame.id] = {{
      inner: view.innerWidth,
      scroll: page.documentElement.scrollWidth,
      outside: outside.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)),
      requests: view.performance.getEntriesByType("resource").map((e) => e.name),
      smallest: Math.min(...text),
      fill: letters.length ? view.getComputedStyle(letters[0]).fill : null,
      beyond: letters.filter((e) => e.getBoundingClientRect().right >
        e.ownerSVGElement.getBoundingClientRect().right + 1).map((e) => e.textContent),
      drawn: [...page.querySelectorAll("figure svg")].map((e) => e.getBoundingClientRect().width),
      wrapped: [...page.querySelectorAll(".timed tbody th")].filter((e) =>
        e.getClientRects().length && e.offsetHeight > 45).map((e) => e.textContent),
      cut: [...page.querySelectorAll(".scroll")].filter((e) =>
        e.scrollWidth > e.clientWidth + 1).length,
      unmarked: [...page.querySelectorAll(".scroll")].filter((e) =>
        e.classList.contains("more") !== e.scrollWidth > e.clientWidth).length,
      axis: [".bar-axis", "ol.lanes li:not(.axis) .bar"].map((name) =>
        page.querySelector(name)?.getBoundingClientRect().width),
      height: page.documentElement.scrollHeight,
      sizes: ["", " small"].map((name) => page.querySelector(`.scorecards td${{name}}`))
        .map((cell) => cell && parseFloat(view.getComputedStyle(cell).fontSize)),
    }};
    const lanes = page.querySelector("ol.lanes"), field = page.querySelector("ol.lanes")
      ? lanes.previousElementSibling : null;
    if (field && field.matches("input.filter")) {{
      const names = [...lanes.querySelectorAll("li:not(.axis)")];
      field.value = names[1].firstElementChild.textContent;
      field.dispatchEvent(new view.Event("input"));
      found[frame.id].shown = names.filter((row) => row.offsetHeight > 0)
        .map((row) => row.firstElementChild.textContent);
      found[frame.id].wanted = field.value;
    }}
    const dot = page.querySelector("svg .dot");
    if (dot) {{
      const text = dot.querySelector("title").textContent;
      dot.dispatchEvent(new view.Event("pointerenter"));
      const tip = page.querySelector(".tip"), place = tip.getBoundingClientRect();
      const inside = place.right <= view.innerWidth;
      found[frame.id].tip = [text, tip.textContent, place.height > 0, inside];
    }}
  }}
  const pre = document.createElement("pre");
  pre.id = "found";
  pre.textContent = JSON.stringify(found);
  document.body.replaceChildren(pre);
}}, 100));
</script>
"""


# What is left of a sheet of A4 beside the margins of `page.css`, in CSS pixels.
SHEET = 688


def as_printed(page):
    """A page that looks on the screen as it does on paper."""
    return page.replace("@media print", "@media all")


def ask_browser(page, tmp_path, *flags, widths=(375, 1200)):
    frames = "".join(
        f'<iframe id="w{width}" style="border:0;width:{width}px;height:900px" '
        f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
        for width in widths
    )
    file = tmp_path / "probe.html"
    file.write_text(PROBE.format(frames=frames), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=4000",
            "--enable-logging=stderr",
            *flags,
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    assert [line for line in done.stderr.splitlines() if ":CONSOLE" in line] == []
    return json.loads(html.unescape(found[1]))


@needs_browser
def test_what_a_page_says_to_the_console_is_heard(tmp_path):
    with pytest.raises(AssertionError, match="Uncaught ReferenceError"):
        ask_browser("<!doctype html><body><script>missing()</script>", tmp_path)


@needs_browser
def test_a_browser_shows_it_on_a_phone_and_in_the_dark(page, tmp_path):
    found = ask_browser(
        page, tmp_path, "--blink-settings=preferredColorScheme=1", widths=(375, 700, 820, 1200)
    )
    for width, facts in found.items():
        assert facts["inner"] == int(width[1:])
        assert facts["scroll"] <= facts["inner"], facts["outside"]
        assert facts["outside"] == []
        assert facts["beyond"] == []
        assert facts["wrapped"] == []
        assert max(facts["drawn"]) <= 576  # its letters are of 16 pixels then
        assert facts["requests"] == []
        assert facts["height"] > 2000
        assert facts["unmarked"] == 0
        scale, bar = facts["axis"]
        assert scale == bar  # else its numbers stand over others than theirs
        assert facts["shown"]
        assert all(facts["wanted"] in name for name in facts["shown"])
        text, told, seen, inside = facts["tip"]
        assert "judged" in text
        assert told == text
        assert seen
        assert inside
    # Two side by side from a tablet on.
    assert found["w820"]["drawn"][0] < 420
    assert found["w375"]["smallest"] >= 9  # CSS pixels, the smallest letters in a drawing
    dark = ask_browser(page, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert dark["w375"]["fill"] != found["w375"]["fill"]
