"""Training transformers on the bigram task: fresh sequences in every step, and a snapshot at chosen iterations."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from weightspectra.base.errors import UserError
from weightspectra.base.seeds import derived_seed
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import BigramTransformer, initialised
from weightspectra.birth.model.parameters import trained_parameters
from weightspectra.birth.settings import Training
from weightspectra.birth.task.bigram_task import BigramTask, batch_generator
from weightspectra.birth.training.gradients import differentiate
from weightspectra.birth.training.simplified_gradients import Batch

Arrays = dict[str, np.ndarray]

_REMEMBERED = {"momentum_buffer": "momentum", "exp_avg": "momentum", "exp_avg_sq": "second_moment"}
"""From PyTorch's words for what an optimiser remembers to those of :class:`Snapshot`."""


_FREED = 30 << 20
"""Bytes that are allocated and freed once. The C library then keeps what is freed, up to twice as much, instead of
giving it back to the system after every few sequences and asking for it again: up to a tenth of the time of a step.
"""


class Snapshot(NamedTuple):
    """What training goes on from: the trained parameters, and what the optimiser remembers of each.

    ``momentum`` and ``second_moment`` lack parameters that were never updated, or of which nothing is remembered.
    """

    iteration: int
    parameters: Arrays
    momentum: Arrays
    second_moment: Arrays


def new_model(config: BigramConfig, config_seed: int, run_seed: int) -> BigramTransformer:
    """Return the model that a run begins with; equal parameters of births of one seed begin equal."""

    def seed_of(module: str) -> int:
        return derived_seed(config_seed, "birth", f"seed {run_seed}", "initialise", module)

    return initialised(config, seed_of)


class Trainer:
    """A model in training.

    Parameters
    ----------
    model : BigramTransformer
        Changed in place.
    task : BigramTask
    recipe : Training
    seeds : tuple of int
        The configuration's and the run's; with the number of a step they decide its batch.

    Notes
    -----
    Updates are those of ``torch.optim.SGD`` and ``torch.optim.AdamW``. A
    parameter that is still frozen has no gradient, for which they skip it altogether.
    """

    def __init__(self, model: BigramTransformer, task: BigramTask, recipe: Training, seeds: tuple[int, int]):
        self.model, self.recipe = model, recipe
        self._task, self._seeds = task, seeds
        torch.empty(_FREED, dtype=torch.uint8)
        own = dict(model.named_parameters())
        self.parameters = {name: own[name] for name in trained_parameters(model.config)}
        kind = torch.optim.SGD if recipe.optimiser == "sgd" else torch.optim.AdamW
        options = recipe.model_dump(include={"weight_decay", "momentum", "betas"}, exclude_none=True)
        self._optimiser = kind(self.parameters.values(), lr=recipe.learning_rate, **options)

    def step(self, iteration: int) -> dict[str, Any]:
        """Make the step after so many others; return what the batch said before.

        Raises
        ------
        UserError
            When the loss is no longer a number.
        """
        recipe = self.recipe
        batch = self._batch(iteration)
        learning = [name for name in self.parameters if recipe.frozen_until.get(name, 0) <= iteration]
        found = differentiate(self.model, batch, learning)
        if not math.isfinite(found.loss):
            raise UserError(
                f"iteration {iteration}: the loss is {found.loss}; lower training/learning_rate "
                f"({recipe.learning_rate:g})"
            )
        for name, parameter in self.parameters.items():
            parameter.grad = found.gradients.get(name)
        self._optimiser.step()
        return {
            "iteration": iteration,
            "loss": found.loss,
            "accuracy": found.accuracy,
            "n_scored": found.n_scored,
        }

    def _batch(self, iteration: int) -> Batch:
        drawn = self._task.sample(self.recipe.batch_size, batch_generator(*self._seeds, iteration))
        scored = drawn.predictable if self.recipe.loss == "in_context" else np.ones_like(drawn.predictable)
        device = next(iter(self.parameters.values())).device
        parts = (drawn.inputs, drawn.targets, scored)
        return Batch(*(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in parts))

    def snapshot(self, iteration: int) -> Snapshot:
        """Return what is needed to go on after so many steps."""
        found = Snapshot(iteration, {}, {}, {})
        for name, parameter in self.parameters.items():
            found.parameters[name] = _array(parameter)
            state = self._optimiser.state.get(parameter, {})
            for key, value in state.items():
                if key in _REMEMBERED and value is not None:
                    getattr(found, _REMEMBERED[key])[name] = _array(value)
        return found

    def restore(self, snapshot: Snapshot) -> None:
        """Go back, or on, to where a snapshot was taken."""
        sgd = self.recipe.optimiser == "sgd"
        self._optimiser.state.clear()
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(snapshot.parameters[name]))
            if name not in snapshot.momentum:
                continue
            momentum = torch.from_numpy(snapshot.momentum[name]).to(parameter)
            if sgd:
                self._optimiser.state[parameter] = {"momentum_buffer": momentum}
                continue
            n_steps = snapshot.iteration - self.recipe.frozen_until.get(name, 0)
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(n_steps)),
                "exp_avg": momentum,
                "exp_avg_sq": torch.from_numpy(snapshot.second_moment[name]).to(parameter),
            }


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
