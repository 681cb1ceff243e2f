"""Training: PyTorch's own updates, frozen parameters, and the same bytes whatever is kept or killed on the way."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weightspectra.base.errors import UserError
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.parameters import WEIGHTS, trained_parameters
from weightspectra.birth.settings import TaskData, Training
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask, batch_generator
from weightspectra.birth.training.steps import Trainer, new_model

TEXT = "the cat sat on the mat; a hat is not that fat, is it? " * 3
BIGRAMS = characters.count(TEXT)
RECIPE = {
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.01,
    "batch_size": 5,
    "n_iterations": 6,
    "loss": "in_context",
    "frozen_until": {},
    "checkpoints": [],
}
OF_OPTIMISER = {"sgd": {"momentum": 0.9}, "adamw": {"betas": [0.8, 0.95]}}
FULL = {"kind": "full", "n_heads": 2, "positions": "learned", "feed_forward": "mlp"}


def task_of(data=None):
    return BigramTask.of(TaskData(**{"n_triggers": 3, "length": 24, **(data or {})}), BIGRAMS)


def trainer_of(model=None, seeds=(1, 0), data=None, **changed):
    task = task_of(data)
    sizes = {"dimension": 8, "vocab_size": BIGRAMS.n_characters, "max_position_embeddings": 24}
    config = BigramConfig(**sizes, **(model or {}), characters="".join(BIGRAMS.characters))
    recipe = RECIPE | OF_OPTIMISER[changed.get("optimiser", "sgd")] | changed
    return Trainer(new_model(config, *seeds), task, Training(**recipe), seeds)


def run(trainer, start=0, stop=6):
    return [trainer.step(iteration) for iteration in range(start, stop)]


def twin(model, data=None, **changed):
    """Train by PyTorch's own means: the whole model, its autograd, an optimiser that freezes as it does."""
    trainer = trainer_of(model, data=data, **changed)
    recipe, task = trainer.recipe, task_of(data)
    own, module = dict(trainer.model.named_parameters()), trainer.model
    for parameter in own.values():
        parameter.requires_grad_(False)
    learned = [own[name] for name in trained_parameters(module.config)]
    common = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(learned, momentum=recipe.momentum, **common)
    else:
        optimiser = torch.optim.AdamW(learned, betas=recipe.betas, **common)
    losses = []
    for iteration in range(recipe.n_iterations):
        for name in trained_parameters(module.config):
            own[name].requires_grad_(recipe.frozen_until.get(name, 0) <= iteration)
        drawn = task.sample(recipe.batch_size, batch_generator(1, 0, iteration))
        inputs, targets = (torch.from_numpy(np.ascontiguousarray(part)) for part in (drawn.inputs, drawn.targets))
        scored = torch.from_numpy(drawn.predictable) | (recipe.loss == "all")
        optimiser.zero_grad()
        loss = F.cross_entropy(module(inputs).logits[scored], targets[scored])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, own


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        ({}, {}),
        ({"feed_forward": "linear"}, {"loss": "all"}),
        ({}, {"optimiser": "adamw", "learning_rate": 0.01}),
        ({}, {"frozen_until": {WEIGHTS["output_2"]: 3, WEIGHTS["key_1"]: 5}, "weight_decay": 0.3}),
        ({}, {"frozen_until": {WEIGHTS["key_2"]: 2}, "optimiser": "adamw", "learning_rate": 0.01}),
        ({"train_embeddings": True}, {}),
        (FULL, {"optimiser": "adamw", "learning_rate": 0.01, "loss": "all"}),
        ({**FULL, "tie_embeddings": True}, {"optimiser": "adamw", "learning_rate": 0.01}),
    ],
    ids=["sgd", "all", "adamw", "frozen", "frozen adamw", "embeddings", "full", "tied"],
)
def test_weights_follow_pytorchs_own_training(model, changed):
    trainer = trainer_of(model, **changed)
    losses = [row["loss"] for row in run(trainer)]
    expected, parameters = twin(model, **changed)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), parameters[name].detach(), rtol=1e-4, atol=1e-5)


def test_untrained_parameters_keep_their_bits():
    trainer = trainer_of(frozen_until={WEIGHTS["key_2"]: 4})
    before = {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}
    run(trainer, stop=4)
    after = dict(trainer.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name].detach())}
    assert moved == {WEIGHTS["key_1"], WEIGHTS["output_2"]}
    assert WEIGHTS["key_2"] not in trainer.snapshot(4).momentum
    run(trainer, start=4)
    assert not torch.equal(before[WEIGHTS["key_2"]], after[WEIGHTS["key_2"]].detach())


@pytest.mark.parametrize(
    "changed", [{}, {"optimiser": "adamw", "frozen_until": {WEIGHTS["key_1"]: 2}}, {"momentum": 0}]
)
@pytest.mark.parametrize("stop", [0, 1, 4])
def test_training_goes_on_from_any_snapshot_with_the_same_bits(changed, stop):
    whole, first, second = (trainer_of(**changed) for _ in range(3))
    rows = run(whole)
    begun = run(first, stop=stop)
    run(second, stop=3)  # whatever it did before is forgotten
    second.restore(first.snapshot(stop))
    assert begun + run(second, start=stop) == rows
    for one, other in zip(whole.snapshot(6)[1:], second.snapshot(6)[1:], strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_seed_gives_the_same_bits_and_another_gives_others():
    def losses(*seeds):
        return [row["loss"] for row in run(trainer_of(seeds=seeds))]

    assert losses(1, 0) == losses(1, 0)
    assert not set(losses(1, 0)) & set(losses(1, 1))
    assert not set(losses(1, 0)) & set(losses(2, 0))


def test_births_of_one_seed_begin_with_equal_weights():
    plain, fed = (dict(trainer_of({"feed_forward": kind}).model.named_parameters()) for kind in ("none", "linear"))
    assert set(fed) - set(plain) == {WEIGHTS["feed_forward"]}
    assert all(torch.equal(plain[name], fed[name]) for name in plain)
    first, second = plain[WEIGHTS["key_1"]], plain[WEIGHTS["key_2"]]
    assert not torch.equal(first, second)


def test_rows_say_what_the_batch_was_before_its_update():
    trainer = trainer_of()
    rows = run(trainer)
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3, 4, 5]
    drawn = trainer_of()._task.sample(5, batch_generator(1, 0, 0))
    logits = trainer_of().model(torch.from_numpy(drawn.inputs.copy())).logits[torch.from_numpy(drawn.predictable)]
    targets = torch.from_numpy(drawn.targets[drawn.predictable])
    assert rows[0]["n_scored"] == drawn.predictable.sum()
    assert rows[0]["loss"] == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-5)
    assert rows[0]["accuracy"] == pytest.approx((logits.argmax(1) == targets).double().mean().item())


def test_a_batch_that_scores_nothing_is_passed_with_decay_alone():
    trainer = trainer_of(data={"length": 4}, batch_size=1, momentum=0, seeds=(1, 0))
    before = {name: parameter.detach().clone() for name, parameter in trainer.parameters.items()}
    iteration = next(i for i in range(99) if not trainer._batch(i).scored.any())
    row = trainer.step(iteration)
    assert (row["loss"], row["accuracy"], row["n_scored"]) == (0, 0, 0)
    for name, parameter in trainer.parameters.items():
        torch.testing.assert_close(parameter.detach(), before[name] * (1 - 0.1 * 0.01))


@pytest.mark.parametrize("model", [{}, FULL], ids=["simplified", "full"])
def test_a_loss_that_is_no_number_stops_with_the_rate(model):
    trainer = trainer_of(model, learning_rate=1e30)
    with pytest.raises(
        UserError, match=r"iteration \d: the loss is (nan|inf); lower training/learning_rate \(1e\+30\)"
    ):
        run(trainer)


def test_the_first_and_the_last_iteration_are_always_kept():
    assert trainer_of(checkpoints=[4, 2]).recipe.checkpoints == (0, 2, 4, 6)
