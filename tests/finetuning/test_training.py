"""Training: the same seed gives the same bytes, and a plain loop gives the same losses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy_classifier import plan, subject
from transformers import get_linear_schedule_with_warmup

from weightspectra.base.errors import UserError
from weightspectra.base.seeds import seeded
from weightspectra.finetuning.classification import score_examples, shuffled_batches
from weightspectra.finetuning.training import rate_share, training

RECIPE, _ = plan(epochs=2, learning_rate=2e-3, weight_decay=0.1, warmup_share=0.25, batch_size=8)
CPU = torch.device("cpu")


def trained(made, seed, recipe=RECIPE):
    """Train a fresh subject; return losses and the bytes of its weights."""
    with seeded(seed, CPU):
        made.classifier.new_head()
        losses = list(training(made.classifier, made.train, recipe, seed))
    return losses, [value.numpy().tobytes() for value in made.classifier.state_dict().values()]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny_bert):
    before = torch.get_rng_state()
    losses, weights = trained(subject(tiny_bert), 1)
    torch.manual_seed(99)
    torch.rand(3)
    assert trained(subject(tiny_bert), 1) == (losses, weights)
    assert trained(subject(tiny_bert), 2)[1] != weights
    torch.set_rng_state(before)


def test_the_toy_is_learnt(tiny_bert):
    made = subject(tiny_bert)
    losses, _ = trained(made, 1, plan(epochs=4)[0])
    found = score_examples(made.classifier, made.test)
    assert losses[-1] < 0.5 * losses[0]
    assert found.accuracy > 0.9 and found.auc > 0.95


def test_a_plain_loop_gives_the_same_losses(tiny_bert):
    made, twin = subject(tiny_bert), subject(tiny_bert)
    for each in (made, twin):
        silence_dropout(each.classifier)
        torch.manual_seed(3)
        each.classifier.new_head()
    found = list(training(made.classifier, made.train, RECIPE, 4))
    torch.testing.assert_close(found, plain_loop(twin.classifier, twin.train, RECIPE, 4), rtol=2e-5, atol=1e-6)
    for value, expected in zip(made.classifier.parameters(), twin.classifier.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=2e-4)


def plain_loop(classifier, examples, recipe, seed):
    """Train with the library's schedule, one padded tensor for all, and hand-written AdamW."""
    rng = np.random.default_rng(seed)
    longest = max(examples.lengths)
    tokens, mask = (torch.zeros(len(examples.labels), longest, dtype=torch.long) for _ in range(2))
    for number, row in enumerate(examples.tokens):
        tokens[number, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        mask[number, : len(row["input_ids"])] = 1
    values = [value for value in classifier.parameters() if value.requires_grad]
    means, squares = ([torch.zeros_like(value) for value in values] for _ in range(2))
    n_steps = 2 * 6
    clock = torch.optim.SGD(values, lr=recipe.learning_rate)
    schedule = get_linear_schedule_with_warmup(clock, 3, n_steps)
    losses, step = [], 0
    for _ in range(recipe.epochs):
        seen = []
        for batch in shuffled_batches(examples.lengths, recipe.batch_size, rng):
            hidden = classifier.encoder(input_ids=tokens[batch], attention_mask=mask[batch]).last_hidden_state
            pooled = torch.stack([row[:length].mean(0) for row, length in zip(hidden, mask[batch].sum(1), strict=True)])
            loss = F.cross_entropy(classifier.head(pooled), torch.from_numpy(examples.labels[batch]))
            seen += [float(loss.detach())] * len(batch)
            gradients = torch.autograd.grad(loss, values, allow_unused=True)
            norm = sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5
            # The library's schedule begins with a rate of zero, ours one step later in the rise.
            rate = recipe.learning_rate * (step + 1) / 3 if step < 3 else schedule.get_last_lr()[0]
            step += 1
            for value, gradient, mean, square in zip(values, gradients, means, squares, strict=True):
                if gradient is None:
                    continue
                gradient = gradient / max(norm, 1.0)
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient**2 - square)
                with torch.no_grad():
                    value *= 1 - rate * recipe.weight_decay * (value.ndim >= 2)
                    value -= rate * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
            clock.step()
            schedule.step()
        losses.append(float(np.mean(seen)))
    return losses


def silence_dropout(classifier):
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0


@pytest.mark.parametrize(("warmup_share", "expected"), [(0.0, [1, 0.75, 0.5, 0.25]), (0.5, [0.5, 1, 1, 0.5])])
def test_the_rate_rises_and_falls(warmup_share, expected):
    assert [rate_share(step, 4, warmup_share) for step in range(4)] == expected
    assert rate_share(3, 4, 1.0) == 1


def test_a_loss_that_is_no_number_is_refused(tiny_bert):
    made = subject(tiny_bert)
    with pytest.raises(UserError, match="the training loss is nan: lower learning_rate"):
        trained(made, 1, plan(learning_rate=1e38, warmup_share=0.0)[0])
