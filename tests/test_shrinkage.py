"""Estimates from few parcels lean on what holds around, and a model says by how much."""

from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.shrinkage import PRIORS, shrunk

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
    assert model.manifest["priors"] == asdict(PRIORS)
    assert all(isinstance(getattr(PRIORS, each.name), float) for each in fields(PRIORS))
