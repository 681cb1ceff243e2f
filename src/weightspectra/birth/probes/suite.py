"""What the checkpoints of one run can do, which memories they hold, and where the last one looks."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.base.seeds import derived_seed, generator
from weightspectra.birth.model.bigram_transformer import BigramConfig, BigramTransformer, initialised
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.probes import behaviour, recalls
from weightspectra.birth.probes.attention import AttentionProbes
from weightspectra.birth.probes.values import ProbeValue
from weightspectra.birth.task.bigram_task import BigramTask, Sequences

TEST_OUTPUTS = ("uniform", "bigram")
N_RANDOM = 16
"""Random models that tell the chance of probes for which there is no formula."""
EXAMPLE_LENGTH = 48
"""Positions of the example whose attention is shown: what a figure can label."""

Row = dict[str, Any]


def sequences_of(task: BigramTask, n: int, config_seed: int, run_seed: int) -> Sequences:
    """Draw the sequences that probe all checkpoints of a run; no training step ever sees them."""
    return task.sample(n, generator(config_seed, "birth", f"seed {run_seed}", "probe"))


def probe_run(run: Run, task: BigramTask, n_sequences: int, config_seed: int, device: torch.device) -> list[Row]:
    """Probe every checkpoint of a run.

    Parameters
    ----------
    run : Run
    task : BigramTask
        What it was trained on.
    n_sequences : int
        Fresh sequences, the same for all checkpoints. Those with other test outputs are as many more.
    config_seed : int
    device : torch.device

    Returns
    -------
    list of dict
        Rows of ``contracts.PROBES``.

    Notes
    -----
    Where no formula tells chance, it is the mean over 16 models that have the run's
    configuration and a fresh initialisation, on the same sequences.
    """
    probing = ProbeSuite(task, n_sequences, config_seed, run.seed, device)
    chance = probing.chance(BigramConfig(**run.config))
    rows = []
    for iteration in track(run.iterations, len(run.iterations), f"probe {run.birth}", unit="checkpoints"):
        for probe in probing.of(run.model(iteration)):
            if math.isnan(probe.chance):
                probe = probe._replace(chance=chance.get(probe.probe, math.nan))
            rows.append({"birth": run.birth, "seed": run.seed, "iteration": iteration, **probe._asdict()})
    return rows


@dataclass(frozen=True, eq=False)
class ProbeSuite:
    """All probes of one run's models.

    Parameters
    ----------
    task : BigramTask
    n_sequences, config_seed, run_seed : int
        How many sequences of each kind, and what they are drawn with.
    device : torch.device
    """

    task: BigramTask
    n_sequences: int
    config_seed: int
    run_seed: int
    device: torch.device

    def of(self, model: BigramTransformer) -> list[ProbeValue]:
        """Return all probes of a model, which is moved to the device."""
        return self._of_weights(model) + self._of_behaviour(model) + self._of_other_outputs(model)

    def chance(self, config: BigramConfig) -> dict[str, float]:
        """Return the means over random models of all probes but those of other outputs."""
        found = defaultdict(list)
        for draw in track(range(N_RANDOM), N_RANDOM, "probe random models", unit="models"):
            purpose = "birth", f"seed {self.run_seed}", "chance", str(draw)
            model = initialised(config, partial(derived_seed, self.config_seed, *purpose)).eval()
            for probe in self._of_weights(model) + self._of_behaviour(model):
                found[probe.probe].append(probe.value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _of_weights(self, model: BigramTransformer) -> list[ProbeValue]:
        if model.config.kind != "simplified":
            return []
        weights = {name: values.cpu().numpy() for name, values in model.state_dict().items()}
        bigrams = self.task.bigrams
        return recalls.weight_probes(weights, bigrams.conditional, bigrams.unigram, self.task.fixed_triggers)

    def _of_behaviour(self, model: BigramTransformer) -> list[ProbeValue]:
        """Return what a model does on sequences as in training; its accuracy counts for their test outputs, too."""
        seen = behaviour.observe(_moved(model, self.device), self._sequences)
        chance = self._prediction_chance(model)
        accuracy = behaviour.accuracy_probe(seen, self._sequences, chance)
        induction = behaviour.induction_probe(seen, self._sequences, chance)
        repeated = [probe._replace(outputs=self.task.outputs) for probe in accuracy]
        attention = AttentionProbes(self._sequences, chance)
        return accuracy + repeated + induction + behaviour.loss_probes(seen, self._sequences) + attention.of(seen)

    def _of_other_outputs(self, model: BigramTransformer) -> list[ProbeValue]:
        """Return the accuracy on sequences with other test outputs."""
        return [
            probe
            for outputs, sequences in self._other_sequences.items()
            for probe in behaviour.accuracy_probe(
                behaviour.observe(_moved(model, self.device), sequences, attention=False),
                sequences,
                self._prediction_chance(model),
                outputs,
            )
        ]

    def _prediction_chance(self, model: BigramTransformer) -> float:
        """How often random weights predict a token: the rows of a random unembedding can be exchanged.

        Where it is the embedding, they prefer the token that they have just read.
        """
        return math.nan if model.config.tie_embeddings else 1 / self.task.bigrams.n_characters

    @cached_property
    def _sequences(self) -> Sequences:
        return sequences_of(self.task, self.n_sequences, self.config_seed, self.run_seed)

    @cached_property
    def _other_sequences(self) -> dict[str, Sequences]:
        found = {}
        for outputs in TEST_OUTPUTS:
            other = _with_outputs(self.task, outputs)
            if outputs != self.task.outputs and other is not None:
                found[outputs] = sequences_of(other, self.n_sequences, self.config_seed, self.run_seed)
        return found


def map_attention(
    run: Run, task: BigramTask, n_sequences: int, config_seed: int, device: torch.device
) -> Iterator[Row]:
    """Yield rows of ``contracts.ATTENTION_MAPS``: where the last checkpoint looks in one example.

    The example is the beginning of one of the sequences that :func:`probe_run` takes (:func:`example_of`).
    """
    example = example_of(sequences_of(task, n_sequences, config_seed, run.seed))
    iteration = max(run.iterations)
    model = _moved(run.model(iteration), device)
    with torch.inference_mode():
        maps = model(torch.as_tensor(example.inputs, device=device), output_attentions=True).attentions
    named = {"birth": run.birth, "seed": run.seed, "iteration": iteration}
    for layer, of_layer in enumerate(maps):
        for head, weights in enumerate(of_layer[0].cpu().numpy()):
            for position, token in enumerate(example.inputs[0]):
                yield {
                    **named,
                    "layer": layer,
                    "head": head,
                    "position": position,
                    "character": task.bigrams.characters[token],
                    "occurrence": example.occurrences[0, position],
                    "weights": weights[position, : position + 1],
                }


def example_of(sequences: Sequences, length: int = EXAMPLE_LENGTH) -> Sequences:
    """Return the beginning of the one sequence that shows most.

    That is the one in whose beginning most different triggers occur a second time with
    another output than themselves; of equals, the one with the fewest triggers that repeat
    themselves; of equals, the first.
    """
    tokens, occurrences = sequences.tokens[:, : length + 1], sequences.occurrences[:, :length]
    changes = tokens[:, :-1] != tokens[:, 1:]
    shown = ((occurrences == 2) & changes).sum(axis=1)
    repeated = ((occurrences >= 1) & ~changes).sum(axis=1)
    best = np.lexsort((repeated, -shown))[:1]
    return Sequences(tokens[best], occurrences[best], sequences.triggers[best], sequences.outputs[best])


def _with_outputs(task: BigramTask, outputs: str) -> BigramTask | None:
    """Return the task with other test outputs, or None where these leave a trigger without any."""
    try:
        return task.with_outputs(outputs)
    except UserError:
        return None


def _moved(model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return model.to(device)
