"""What weight decay leaves, against the optimisers themselves."""

import pytest
import torch

from weightspectra.birth.settings import Training
from weightspectra.birth.training.decay import kept_share

SETTINGS = {"learning_rate": 0.2, "weight_decay": 0.01}
TRAINING = Training(**SETTINGS, momentum=0.9)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_an_optimiser_without_gradients_leaves_as_much(optimiser):
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    if optimiser == "sgd":
        steps = torch.optim.SGD([weight], lr=0.2, momentum=0.9, weight_decay=0.01)
    else:
        steps = torch.optim.AdamW([weight], lr=0.2, weight_decay=0.01)
    training = Training(**SETTINGS, optimiser=optimiser)
    for iteration in range(30):
        assert kept_share(training, "w", iteration) == pytest.approx(weight.item())
        weight.grad = torch.zeros_like(weight)
        steps.step()


def test_nothing_decays_while_it_is_frozen():
    late = Training(**SETTINGS, momentum=0.9, frozen_until={"w": 10})
    assert [kept_share(late, "w", n) for n in (0, 10)] == [1, 1]
    assert kept_share(late, "w", 17) == kept_share(TRAINING, "w", 7) < 1
    assert kept_share(late, "other", 7) == kept_share(TRAINING, "w", 7)
