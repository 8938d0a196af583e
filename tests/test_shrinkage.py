"""Estimates from few parcels lean on what holds around, and a model says by how much."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise import PromiseModel, train
from etapromise.errors import ContractError
from etapromise.operations.retraining import recipe_of
from etapromise.shrinkage import PRIORS, Priors, shrunk
from etapromise.training.config import with_settings
from tests.small_network import TRAINING

SHARES = st.floats(0.0, 1.0)


@given(st.integers(0, 1_000), SHARES, SHARES, st.floats(0.1, 500.0))
def test_an_estimate_lies_between_what_is_seen_and_what_is_believed(count, share, around, evidence):
    found = float(shrunk(count * share, count, around, evidence))
    if not count:
        assert found == pytest.approx(around)
        return
    assert min(share, around) - 1e-9 <= found <= max(share, around) + 1e-9
    # As much as its parcels weigh against the belief's.
    assert found == pytest.approx(np.average([share, around], weights=[count, evidence]))


def test_a_manifest_records_what_was_believed(model: PromiseModel):
    assert model.manifest["config"]["priors"] == asdict(Priors())
    assert all(isinstance(getattr(PRIORS, each.name), float) for each in fields(Priors))


def test_priors_are_settings_of_a_training(parcels):
    settings = {f"priors.{name}": number for name, number in {"lost": 4.0, "new_key": 50.0}.items()}
    config = with_settings(TRAINING, settings)
    model = train(parcels, as_of="2025-07-01", config=config)
    assert model.manifest["config"]["priors"] == asdict(replace(Priors(), lost=4.0, new_key=50.0))
    # What few parcels say counts for more.
    usual = train(parcels, as_of="2025-07-01", config=TRAINING)
    assert model.parts.statistics.lost.std() > usual.parts.statistics.lost.std()
    # A refresh goes on believing it, whatever is believed elsewhere.
    again = model.refresh(parcels, as_of="2025-07-01")
    np.testing.assert_array_equal(again.parts.statistics.lost, model.parts.statistics.lost)
    assert recipe_of(model) == replace(config, calendars=None)
    assert PRIORS.lost == Priors().lost


@pytest.mark.parametrize(("name", "value"), [("lost", 0.0), ("lost_share", 1.0), ("flow", "many")])
def test_what_cannot_be_believed_is_refused(name, value):
    with pytest.raises(ContractError, match=name):
        Priors(**{name: value})
