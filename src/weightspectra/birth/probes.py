"""What the checkpoints of one run can do, which memories they hold, and where the last one looks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from weightspectra.birth import behaviour, recalls
from weightspectra.birth.attention_probes import AttentionProbes
from weightspectra.birth.checkpoints import Run
from weightspectra.birth.probe_values import Probe
from weightspectra.birth.task import Sequences, Task
from weightspectra.errors import UserError
from weightspectra.progress import track
from weightspectra.provenance import generator

TEST_OUTPUTS = ("uniform", "bigram")
EXAMPLE_LENGTH = 48
"""Positions of the example whose attention is shown: what a figure can label."""

Row = dict[str, Any]


def sequences_of(task: Task, n: int, config_seed: int, run_seed: int) -> Sequences:
    """Draw the sequences that probe all checkpoints of a run; no training step ever sees them."""
    return task.sample(n, generator(config_seed, "birth", f"seed {run_seed}", "probe"))


def probe_run(run: Run, task: Task, n_sequences: int, config_seed: int, device: torch.device) -> list[Row]:
    """Probe every checkpoint of a run.

    Parameters
    ----------
    run : Run
    task : Task
        What it was trained on.
    n_sequences : int
        Fresh sequences, the same for all checkpoints. Those with other test outputs are as many more.
    config_seed : int
    device : torch.device

    Returns
    -------
    list of dict
        Rows of ``contracts.PROBES``.
    """
    tests = {"": sequences_of(task, n_sequences, config_seed, run.seed)}
    for outputs in TEST_OUTPUTS:
        if outputs != task.outputs and (other := _with_outputs(task, outputs)) is not None:
            tests[outputs] = sequences_of(other, n_sequences, config_seed, run.seed)
    attention = AttentionProbes(tests[""], task.bigrams.n_characters)
    rows = []
    for iteration in track(run.iterations, len(run.iterations), f"probe {run.birth}", unit="checkpoints"):
        probes = _behaviour_probes(_model(run, iteration, device), task, tests, attention)
        if run.config["kind"] == "simplified":
            statistics = task.bigrams.conditional, task.bigrams.unigram
            probes += recalls.weight_probes(run.parameters(iteration), *statistics, task.fixed_triggers)
        rows += [{"birth": run.birth, "seed": run.seed, "iteration": iteration, **probe._asdict()} for probe in probes]
    return rows


def map_attention(run: Run, task: Task, n_sequences: int, config_seed: int, device: torch.device) -> Iterator[Row]:
    """Yield rows of ``contracts.ATTENTION_MAPS``: where the last checkpoint looks in one example.

    The example is the beginning of one of the sequences that :func:`probe_run` takes (:func:`example_of`).
    """
    example = example_of(sequences_of(task, n_sequences, config_seed, run.seed))
    iteration = max(run.iterations)
    model = _model(run, iteration, device)
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


def _model(run: Run, iteration: int, device: torch.device) -> torch.nn.Module:
    model: torch.nn.Module = run.model(iteration)
    return model.to(device)


def _with_outputs(task: Task, outputs: str) -> Task | None:
    """Return the task with other test outputs, or None where these leave a trigger without any."""
    try:
        return task.with_outputs(outputs)
    except UserError:
        return None


def _behaviour_probes(
    model: torch.nn.Module, task: Task, tests: dict[str, Sequences], attention: AttentionProbes
) -> list[Probe]:
    """Return all probes of one model that need it to be run."""
    n_tokens, probes = task.bigrams.n_characters, []
    for outputs, sequences in tests.items():
        seen = behaviour.observe(model, sequences, attention=not outputs)
        probes += behaviour.accuracy_probe(seen, sequences, n_tokens, outputs)
        if not outputs:
            repeated = [probe._replace(outputs=task.outputs) for probe in probes]
            probes += repeated + behaviour.loss_probes(seen, sequences, n_tokens) + attention.of(seen)
    return probes
