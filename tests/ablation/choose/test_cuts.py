import numpy as np
import pandas as pd
import pytest

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum, spectra_of
from weightspectra.ablation.settings import Cut
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey


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
    cuts = plan_cuts([Cut(remove={"deciles": [10, 1]}, scope="role")], model)
    assert [cut.label for cut in cuts] == [
        f"decile {decile} of {role}" for role in ("query", "value", "down") for decile in (10, 1)
    ]
    first = cuts[0]
    assert (first.scope, first.removed, first.decile) == ("role", "decile 10", 10)
    assert (first.roles, first.layers, first.n_removed) == (["query"], [0, 1], 12)
    assert [edit.n_removed for edit in cuts[3].edits.values()] == [3, 3]


def test_values_outside_the_bulk_are_the_last_and_the_first_ranks(model):
    below, above = plan_cuts([Cut(remove={"region": ["below", "above"]}, scope="layer", layers=[1])], model)
    assert (below.label, above.label) == ("below of layer 1", "above of layer 1")
    assert below.edits[MatrixKey(1, "value")].ranks.tolist() == [21, 22]
    assert above.edits[MatrixKey(1, "value")].ranks.tolist() == [0, 1, 2]
    assert (below.n_removed, above.n_removed) == (9, 8)
    assert below.decile == 0


def test_a_cut_that_removes_nothing_is_kept_and_says_so(model):
    (cut,) = plan_cuts([Cut(remove={"region": ["below"]}, roles=["query"])], model)
    assert cut.n_removed == 0
    assert (cut.roles, cut.layers) == (["query"], [0, 1])


def test_indices_include_both_ends(model):
    entry = Cut(remove={"indices": [3, 5]}, scope="matrix", roles=["query"], layers=[1])
    (cut,) = plan_cuts([entry], model)
    assert cut.label == "indices 3-5 of layer 1 query"
    assert cut.edits[MatrixKey(1, "query")].ranks.tolist() == [3, 4, 5]


def test_what_lies_inside_the_bulk_is_neither_below_nor_above(model):
    cuts = plan_cuts([Cut(remove={"region": ["below", "inside", "above"]}, scope="layer")], model)
    for key, spectrum in model.items():
        below, inside, above = (cut.edits[key].ranks.tolist() for cut in cuts if key in cut.edits)
        assert [*above, *inside, *below] == list(range(spectrum.n_values))
    assert [cut.label for cut in cuts[:3]] == ["below of layer 0", "inside of layer 0", "above of layer 0"]


def test_calibrated_bounds_are_another_cut(model):
    both = ("asymptotic", "calibrated")
    cuts = plan_cuts([Cut(remove={"region": ["above"]}, roles=["query"], bounds=bounds) for bounds in both], model)
    assert {cut.label: cut.n_removed for cut in cuts} == {"above of query": 10, "above (calibrated) of query": 8}


@pytest.mark.parametrize("values", [{"deciles": [1, 4]}, {"indices": [3, 5]}, {"region": ["below", "inside"]}])
def test_what_is_kept_and_what_is_removed_make_the_whole(model, values):
    removed = plan_cuts([Cut(remove=values)], model)
    kept = plan_cuts([Cut(keep=values)], model)
    assert [cut.label for cut in kept] == [f"only {cut.label}" for cut in removed]
    assert [cut.removed for cut in kept] == [f"all but {cut.removed}" for cut in removed]
    assert {cut.decile for cut in kept} == {0}
    for one, other in zip(removed, kept, strict=True):
        for key in one.edits:
            both = [*one.edits[key].ranks, *other.edits[key].ranks]
            assert sorted(both) == list(range(model[key].n_values))


HEADS = {"query": 4, "key": 2, "value": 2, "attention_output": 4}


@pytest.fixture
def attention():
    """Four query heads of five rows; two heads of keys and values; the output reads four times five columns."""
    shapes = {"query": (20, 12), "key": (10, 12), "value": (10, 12), "attention_output": (12, 20), "up": (30, 12)}
    return {
        MatrixKey(layer, role): Spectrum(np.linspace(2.0, 1.0, min(shape)), *shape)
        for layer in (0, 1)
        for role, shape in shapes.items()
    }


def test_a_head_has_its_rows_or_columns_and_those_of_the_keys_that_serve_it(attention):
    cuts = plan_cuts([Cut(remove={"deciles": [10]}, scope="head")], attention, head_counts=HEADS)
    assert [cut.label for cut in cuts] == [
        f"decile 10 of layer {layer} head {head}" for layer in (0, 1) for head in range(4)
    ]
    assert (cuts[6].layers, cuts[6].roles) == ([1], ["query", "key", "value", "attention_output"])
    parts = {key.role: (edit.rows, edit.columns) for key, edit in cuts[6].edits.items()}
    assert parts == {
        "query": (slice(10, 15), None),
        "key": (slice(5, 10), None),
        "value": (slice(5, 10), None),
        "attention_output": (None, slice(10, 15)),
    }
    assert [cut.edits[MatrixKey(0, "key")].rows for cut in cuts[:4]] == [slice(0, 5)] * 2 + [slice(5, 10)] * 2


def test_heads_may_be_cut_in_some_attention_roles_only(attention):
    entry = Cut(remove={"deciles": [1]}, scope="head", roles=["attention_output", "query"], layers=[1])
    cuts = plan_cuts([entry], attention, head_counts=HEADS)
    assert [cut.label for cut in cuts] == [
        f"decile 1 of layer 1 head {head} (query, attention_output)" for head in range(4)
    ]


@pytest.mark.parametrize("roles", [["up"], ["query", "up"]])
def test_matrices_without_heads_are_refused_in_the_scope_head(attention, roles):
    entry = Cut(remove={"deciles": [1]}, scope="head", roles=roles)
    with pytest.raises(
        UserError, match=r"scope head: up have no attention heads; choose roles among query, key, value"
    ):
        plan_cuts([entry], attention, head_counts=HEADS)


class Halving:
    """An edit that is no removal."""

    n_removed, n_parameters = 1, 10


def halve(wanted, keys):
    for size in wanted.sizes:
        yield f"halved to {size}", {key: Halving() for key in keys}


def test_a_compression_is_spread_over_groups_like_any_cut(attention):
    entry = Cut(compress={"methods": ["svd"], "sizes": [0.5, 0.8]}, scope="role", roles=["query", "up"])
    cuts = plan_cuts([entry], attention, compressor=halve)
    assert [cut.label for cut in cuts] == [
        f"halved to {size} of {role}" for role in ("query", "up") for size in (0.5, 0.8)
    ]
    assert (cuts[1].removed, cuts[1].decile, cuts[1].n_removed) == ("halved to 0.8", 0, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"controls": ["random"]}, "controls go with remove or keep"),
        ({"scope": "head"}, "compress takes whole matrices"),
    ],
)
def test_what_goes_with_no_compression_is_refused(attention, changed, message):
    entry = Cut(compress={"methods": ["svd"], "sizes": [0.5]}, **changed)
    with pytest.raises(UserError, match=message):
        plan_cuts([entry], attention, head_counts=HEADS, compressor=halve)


def test_scope_all_takes_everything_at_once(model):
    (cut,) = plan_cuts([Cut(remove={"deciles": [1]}, scope="all")], model)
    assert cut.label == "decile 1 of all matrices"
    assert set(cut.edits) == set(model)


def test_labels_name_what_the_filters_leave_out(model):
    def label(**entry):
        (cut,) = plan_cuts([Cut(remove={"deciles": [1]}, **entry)], model)
        return cut.label

    assert label(scope="role", roles=["down"], layers=[0]) == "decile 1 of down in layers 0"
    assert label(scope="role", roles=["down"], layers=[1, 0]) == "decile 1 of down"
    assert label(scope="layer", roles=["query", "value"], layers=[0]) == "decile 1 of layer 0 (query, value)"
    assert label(scope="all", roles=["query", "down"]) == "decile 1 of query, down"
    assert label(scope="all", layers=[1]) == "decile 1 of all matrices in layers 1"


def test_labels_are_unique_and_equal_cuts_are_made_once(model):
    entries = [
        Cut(remove={"deciles": [1, 2]}, scope="role"),
        Cut(remove={"deciles": [2, 3]}, scope="role", roles=["down"]),
        Cut(remove={"deciles": [1]}, scope="role", layers=[0]),
    ]
    labels = [cut.label for cut in plan_cuts(entries, model)]
    assert len(labels) == len(set(labels)) == 6 + 1 + 3


def test_experts_of_a_mixture_are_told_apart():
    mixture = {MatrixKey(0, "up", expert): spectrum(20) for expert in (0, 1)}
    labels = [cut.label for cut in plan_cuts([Cut(remove={"deciles": [1]}, scope="matrix")], mixture)]
    assert labels == ["decile 1 of layer 0 up expert 0", "decile 1 of layer 0 up expert 1"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Cut(remove={"deciles": [1]}, roles=["gate"]), "no 'gate' matrices; it has query, value, down"),
        (Cut(remove={"deciles": [1]}, layers=[2]), "no layer 2; it has layers 0-1"),
        (Cut(remove={"indices": [0, 23]}), r"layer 0 'value' has 23 singular values, numbered 0 to 22"),
        (Cut(remove={"indices": [5, 4]}), "first is larger than the last"),
    ],
)
def test_what_a_model_lacks_is_refused(model, entry, message):
    with pytest.raises(UserError, match=message):
        plan_cuts([entry], model)


def test_roles_and_layers_that_never_meet_are_refused():
    sparse = {MatrixKey(0, "up"): spectrum(10), MatrixKey(1, "down"): spectrum(10)}
    with pytest.raises(UserError, match=r"no matrix is both one of up and in layers 1"):
        plan_cuts([Cut(remove={"deciles": [1]}, roles=["up"], layers=[1])], sparse)


def test_spectra_and_bulk_are_joined_by_matrix_whatever_their_order():
    spectra = pd.DataFrame(
        {"layer": [0, 0], "role": ["up", "down"], "expert": [0, 0], "singular_values": [np.ones(3), np.ones(2)]}
    ).assign(n_out=3, n_in=[3, 2], rounding_floor=0.0)
    bulk = pd.DataFrame(
        {"layer": [0, 0], "role": ["down", "up"], "expert": [0, 0], "n_below": [1, 2], "n_above": [0, 1]}
    ).assign(n_below_bound=0, n_above_bound=[0, 1], why="")
    found = spectra_of(spectra, bulk)
    assert {key: (value.n_values, value.n_in, value.outside) for key, value in found.items()} == {
        MatrixKey(0, "up"): (3, 3, {"asymptotic": (2, 1), "calibrated": (0, 1)}),
        MatrixKey(0, "down"): (2, 2, {"asymptotic": (1, 0), "calibrated": (0, 0)}),
    }
