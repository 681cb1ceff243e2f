import numpy as np
import pandas as pd
import pytest

from weightspectra.ablation.cuts import plan_cuts
from weightspectra.ablation.selection import Spectrum, spectra_of
from weightspectra.contracts import MatrixKey
from weightspectra.errors import UserError


def spectrum(n_values, n_below=0, n_above=0):
    outside = {"asymptotic": (n_below, n_above), "calibrated": (max(n_below - 1, 0), max(n_above - 1, 0))}
    return Spectrum(np.linspace(2.0, 1.0, n_values), n_values, 64, outside)


@pytest.fixture
def model():
    """Two layers; values has fewer singular values, query is square and so has none below."""
    return {
        MatrixKey(layer, role): spectrum(n_values, n_below, n_above)
        for layer in (0, 1)
        for role, n_values, n_below, n_above in [("query", 64, 0, 5), ("value", 23, 2, 3), ("down", 64, 7, 0)]
    }


def test_deciles_of_each_role_over_all_layers(model):
    cuts = plan_cuts([{"remove": {"deciles": [10, 1]}, "scope": "role"}], model)
    assert [cut.label for cut in cuts] == [
        f"decile {decile} of {role}" for role in ("query", "value", "down") for decile in (10, 1)
    ]
    first = cuts[0]
    assert (first.scope, first.removed, first.decile) == ("role", "decile 10", 10)
    assert (first.roles, first.layers, first.n_removed) == (["query"], [0, 1], 12)
    assert [edit.n_removed for edit in cuts[3].edits.values()] == [3, 3]


def test_values_outside_the_bulk_are_the_last_and_the_first_ranks(model):
    below, above = plan_cuts([{"remove": {"region": ["below", "above"]}, "scope": "layer", "layers": [1]}], model)
    assert (below.label, above.label) == ("below of layer 1", "above of layer 1")
    assert below.edits[MatrixKey(1, "value")].ranks.tolist() == [21, 22]
    assert above.edits[MatrixKey(1, "value")].ranks.tolist() == [0, 1, 2]
    assert (below.n_removed, above.n_removed) == (9, 8)
    assert below.decile == 0


def test_a_cut_that_removes_nothing_is_kept_and_says_so(model):
    (cut,) = plan_cuts([{"remove": {"region": ["below"]}, "roles": ["query"]}], model)
    assert cut.n_removed == 0
    assert (cut.roles, cut.layers) == (["query"], [0, 1])


def test_indices_include_both_ends(model):
    entry = {"remove": {"indices": [3, 5]}, "scope": "matrix", "roles": ["query"], "layers": [1]}
    (cut,) = plan_cuts([entry], model)
    assert cut.label == "indices 3-5 of layer 1 query"
    assert cut.edits[MatrixKey(1, "query")].ranks.tolist() == [3, 4, 5]


def test_scope_all_takes_everything_at_once(model):
    (cut,) = plan_cuts([{"remove": {"deciles": [1]}, "scope": "all"}], model)
    assert cut.label == "decile 1 of all matrices"
    assert set(cut.edits) == set(model)


def test_labels_name_what_the_filters_leave_out(model):
    def label(**entry):
        (cut,) = plan_cuts([{"remove": {"deciles": [1]}, **entry}], model)
        return cut.label

    assert label(scope="role", roles=["down"], layers=[0]) == "decile 1 of down in layers 0"
    assert label(scope="role", roles=["down"], layers=[1, 0]) == "decile 1 of down"
    assert label(scope="layer", roles=["query", "value"], layers=[0]) == "decile 1 of layer 0 (query, value)"
    assert label(scope="all", roles=["query", "down"]) == "decile 1 of query, down"
    assert label(scope="all", layers=[1]) == "decile 1 of all matrices in layers 1"


def test_labels_are_unique_and_equal_cuts_are_made_once(model):
    entries = [
        {"remove": {"deciles": [1, 2]}, "scope": "role"},
        {"remove": {"deciles": [2, 3]}, "scope": "role", "roles": ["down"]},
        {"remove": {"deciles": [1]}, "scope": "role", "layers": [0]},
    ]
    labels = [cut.label for cut in plan_cuts(entries, model)]
    assert len(labels) == len(set(labels)) == 6 + 1 + 3


def test_experts_of_a_mixture_are_told_apart():
    mixture = {MatrixKey(0, "up", expert): spectrum(20) for expert in (0, 1)}
    labels = [cut.label for cut in plan_cuts([{"remove": {"deciles": [1]}, "scope": "matrix"}], mixture)]
    assert labels == ["decile 1 of layer 0 up expert 0", "decile 1 of layer 0 up expert 1"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"remove": {"deciles": [1]}, "roles": ["gate"]}, "no 'gate' matrices; it has query, value, down"),
        ({"remove": {"deciles": [1]}, "layers": [2]}, "no layer 2; it has layers 0-1"),
        ({"remove": {"indices": [0, 23]}}, r"layer 0 'value' has 23 singular values, numbered 0 to 22"),
        ({"remove": {"indices": [5, 4]}}, "first is larger than the last"),
    ],
)
def test_what_a_model_lacks_is_refused(model, entry, message):
    with pytest.raises(UserError, match=message):
        plan_cuts([entry], model)


def test_roles_and_layers_that_never_meet_are_refused():
    sparse = {MatrixKey(0, "up"): spectrum(10), MatrixKey(1, "down"): spectrum(10)}
    with pytest.raises(UserError, match=r"no matrix is both one of up and in layers 1"):
        plan_cuts([{"remove": {"deciles": [1]}, "roles": ["up"], "layers": [1]}], sparse)


def test_spectra_and_bulk_are_joined_by_matrix_whatever_their_order():
    spectra = pd.DataFrame(
        {"layer": [0, 0], "role": ["up", "down"], "expert": [0, 0], "singular_values": [np.ones(3), np.ones(2)]}
    ).assign(n_out=3, n_in=[3, 2])
    bulk = pd.DataFrame(
        {"layer": [0, 0], "role": ["down", "up"], "expert": [0, 0], "n_below": [1, 2], "n_above": [0, 1]}
    ).assign(n_below_bound=0, n_above_bound=[0, 1])
    found = spectra_of(spectra, bulk)
    assert {key: (value.n_values, value.n_in, value.outside) for key, value in found.items()} == {
        MatrixKey(0, "up"): (3, 3, {"asymptotic": (2, 1), "calibrated": (0, 1)}),
        MatrixKey(0, "down"): (2, 2, {"asymptotic": (1, 0), "calibrated": (0, 0)}),
    }
