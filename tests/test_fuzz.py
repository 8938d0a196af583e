"""The fuzz targets: what they found once, and a few hundred cases of each kind anew.

`make fuzz` runs as many as one has time for.
"""

from __future__ import annotations

import importlib
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import hot_swap
from tests.fuzz.driver import changed, kept, outcome

if not hasattr(os, "mkfifo"):
    pytest.skip("the targets need pipes and alarms", allow_module_level=True)

TARGETS = {
    "calls": 1500,
    "tables": 60,
    "files": 150,
    "payloads": 300,
    "toml": 400,
    "command_lines": 40,
    "hostile_models": 60,
}
"""With so many cases."""


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_what_was_found_once_is_mended(name: str) -> None:
    target = importlib.import_module(f"tests.fuzz.{name}")
    for path in kept(name):
        outcome(target.case, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_random_inputs_are_read_or_refused(name: str) -> None:
    """The seeds are inputs that make sense, so that both ends are reached."""
    target = importlib.import_module(f"tests.fuzz.{name}")
    words = getattr(target, "WORDS", ())
    found = set()
    for number in range(TARGETS[name]):
        rng = random.Random(number)  # noqa: S311
        seed = rng.choice(target.SEEDS)
        found.add(outcome(target.case, changed(seed, rng, words) if number % 4 else seed))
    assert len(found) > 1


def test_threads_ask_while_models_are_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under the thread sanitizer, for a second."""
    monkeypatch.setattr("sys.argv", ["hot_swap", "--seconds", "1"])
    assert hot_swap.main() == 0


@pytest.mark.parametrize("name", ["toml", "payloads", "files"])
@pytest.mark.filterwarnings("ignore")
def test_hypothesis_finds_no_other_error(name: str) -> None:
    target = importlib.import_module(f"tests.fuzz.{name}")
    pieces = st.one_of(st.sampled_from(target.WORDS), st.binary(max_size=12))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(target.SEEDS), st.lists(pieces, max_size=4), st.integers(0, 2000))
    def run(seed: bytes, put_in: list[bytes], at: int) -> None:
        outcome(target.case, seed[:1] + seed[1:at] + b"".join(put_in) + seed[at:])

    run()
