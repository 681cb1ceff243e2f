"""Random streams: repeatable, independent of each other, and nobody else's."""

import numpy as np
import torch

from weightspectra.base.seeds import derived_seed, generator, seeded


def test_streams_are_repeatable_and_independent_of_each_other():
    def draws(*purpose):
        return generator(*purpose).standard_normal(20_000)

    np.testing.assert_array_equal(draws(1, "bert", "init"), draws(1, "bert", "init"))
    others = [draws(1, "bert", "null"), draws(1, "llama", "init"), draws(2, "bert", "init"), draws(1, "bertinit")]
    for other in others:
        correlation = np.corrcoef(draws(1, "bert", "init"), other)[0, 1]
        assert abs(correlation) < 5 / 20_000**0.5
    assert derived_seed(1, "a", "b") != derived_seed(1, "ab")
    assert derived_seed(1, "a", "b") != derived_seed(1, "b", "a")
    assert 0 <= derived_seed(1, "a") < 2**63


def test_generators_outside_are_left_as_they_were():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with seeded(1, torch.device("cpu")):
        torch.rand(7)
    assert torch.equal(torch.rand(4), expected)


def test_a_block_draws_by_its_seed_and_by_nothing_outside():
    def draws(seed):
        torch.rand(3)
        with seeded(seed, torch.device("cpu")):
            return torch.rand(4)

    assert torch.equal(draws(1), draws(1))
    assert not torch.equal(draws(1), draws(2))
