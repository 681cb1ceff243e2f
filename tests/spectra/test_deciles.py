import numpy as np
import pytest

from weightspectra.spectra.deciles import decile_ranks


@pytest.mark.parametrize("n_values", [1, 9, 10, 23, 64, 100])
def test_every_rank_is_in_exactly_one_decile(n_values):
    deciles = [decile_ranks(n_values, decile) for decile in range(10, 0, -1)]
    assert np.concatenate(deciles).tolist() == list(range(n_values))
    sizes = [len(ranks) for ranks in deciles[::-1]]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_decile_1_holds_the_smallest_values():
    values = np.sort(np.random.default_rng(0).random(40))[::-1]
    assert values[decile_ranks(40, 1)].max() < values[decile_ranks(40, 2)].min()
    assert 39 in decile_ranks(40, 1)
    assert 0 in decile_ranks(40, 10)
