"""From tables to cuts: each kind of cut gets what it needs from the table that knows it."""

import numpy as np
import pandas as pd
import pytest

from weightspectra.ablation.choose.planning import experiment_cuts
from weightspectra.ablation.settings import Cut
from weightspectra.contracts import MatrixKey

N_OUT, N_IN, N_HEADS = 16, 24, 4
QUERY, UP = MatrixKey(0, "query"), MatrixKey(0, "up")
CONFIG = {"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": N_HEADS, "num_key_value_heads": 2}


def rows(**columns):
    """Return a row for each of two matrices."""
    return pd.DataFrame(
        [{"layer": 0, "role": role, "expert": 0, "n_out": N_OUT, "n_in": N_IN} | columns for role in ("query", "up")]
    )


SPECTRA = rows(singular_values=np.linspace(4, 1, N_OUT), rounding_floor=0.0)
BULK = rows(n_below=3, n_above=5, n_below_bound=1, n_above_bound=2, why="")


def planned(entries, *tables, seed=3):
    cuts = experiment_cuts(entries, SPECTRA, *tables, config=CONFIG, model="tiny", seed=seed)
    return {cut.label: cut.edits for cut in cuts}


@pytest.mark.parametrize(
    ("bounds", "said", "n_below", "n_above"), [("asymptotic", "", 3, 5), ("calibrated", " (calibrated)", 1, 2)]
)
def test_regions_go_by_the_counts_of_their_kind_of_bound(bounds, said, n_below, n_above):
    entry = Cut(remove={"region": ["below", "above"]}, roles=["query"], bounds=bounds)
    found = planned([entry], BULK)
    assert found[f"below{said} of query"][QUERY].ranks.tolist() == list(range(N_OUT - n_below, N_OUT))
    assert found[f"above{said} of query"][QUERY].ranks.tolist() == list(range(n_above))


def test_heads_take_the_rows_that_the_configuration_gives_them():
    found = planned([Cut(remove={"deciles": [10]}, scope="head", roles=["query"])])
    assert len(found) == N_HEADS
    parts = [edits[QUERY].rows for edits in found.values()]
    assert parts == [slice(4 * head, 4 * head + 4) for head in range(N_HEADS)]


def test_a_boundary_shares_ranks_by_the_information_of_each_matrix():
    """Of three regions a matrix, their directions times their information; here three times as much in one matrix."""
    regions = [{"n_directions": 4, "information": 0.25 * share} for share in (1, 1, 1)]
    information = pd.concat([rows(**region) for region in regions], ignore_index=True)
    information.loc[information["role"] == "up", "information"] *= 3
    entry = Cut(compress={"methods": ["svd", "boundary"], "sizes": [0.5]}, scope="all")
    found = planned([entry], None, information)
    even, shared = found.values()
    assert even[QUERY].rank == even[UP].rank == N_OUT * N_IN // 2 // (N_OUT + N_IN)
    assert shared[UP].rank == pytest.approx(3 * shared[QUERY].rank, abs=3)
    assert shared[UP].rank + shared[QUERY].rank == 2 * even[QUERY].rank


def test_windows_at_random_depend_on_seed_and_model_alone():
    entry = Cut(remove={"deciles": [5]}, roles=["query"], controls=["random"], n_random=3)
    first, again, other = (planned([entry], BULK, seed=seed) for seed in (3, 3, 4))
    starts = [[int(edits[QUERY].ranks[0]) for edits in found.values()] for found in (first, again, other)]
    assert starts[0] == starts[1] != starts[2]
    assert len(set(starts[0][1:])) > 1
