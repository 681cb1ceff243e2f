"""Training the simplified transformer, against the authors' public implementation.

    python bench/birth_training.py --authors FOLDER [--record]

FOLDER holds ihead_basic_model.py, ihead_data.py and data/meta.pkl of
github.com/albietz/transformer-birth. Only its model and its data set are
imported; the training step is that of ihead_basic_main.py without ``.cuda()``,
its probes and its log. Both sides train with one thread, the same task (five
fixed triggers, loss on predictable outputs), the same optimiser and frozen
embeddings. Times are processor time, medians of alternating steps after a
warm-up; the rows "with data" add the drawing of the batch, which each
side does in its own way (theirs in other processes, whose time is counted here too).

The losses are compared twice. From the same weights on the same batches
both should agree to rounding. With seeds of their own, theirs should lie within the spread of ours.
"""

import argparse
import contextlib
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from results import Row, finish, in_turn, seconds

from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.settings import Training
from weightspectra.birth.task.bigram_task import BigramTask, Sequences
from weightspectra.birth.task.characters import from_csv
from weightspectra.birth.training.steps import Trainer, new_model

COUNTS = Path(__file__).parents[1].resolve() / "config" / "published" / "tiny_shakespeare.csv"

NAMES = {
    "embedding.weight": "tok_embeddings.weight",
    "positions.weight": "pe",
    "unembedding.weight": "output.weight",
    **{
        f"layers.{layer}.attention.{ours}.weight": f"layers.{layer}.attention.{theirs}.weight"
        for layer in (0, 1)
        for ours, theirs in (("key", "wk"), ("value", "wv"), ("output", "wo"))
    },
}
"""From our names of parameters to theirs."""

WIDTH, LENGTH, RATE, MOMENTUM, DECAY = 128, 256, 0.2, 0.9, 1e-4


class Authors(NamedTuple):
    """Their modules."""

    model: Any
    data: Any
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> "Authors":
        """Import what the folder holds."""
        sys.path.insert(0, str(folder))
        import ihead_basic_model
        import ihead_data

        return cls(ihead_basic_model, ihead_data, folder)

    def new(self, seed: int) -> "TheirTraining":
        """Return their model, optimiser and data, begun with a seed."""
        torch.manual_seed(seed)
        sizes = {"vocab_size": 65, "dim": WIDTH, "max_length": LENGTH}
        model = self.model.Transformer(self.model.ModelArgs(**sizes, freeze_embeddings=True, freeze_output=True))
        optimiser = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=DECAY, momentum=MOMENTUM)
        with contextlib.chdir(self.folder):  # where the data set looks for its counts
            data = self.data.Dataset(self.data.DataArgs(k=5, seq_length=LENGTH, fixed_special_toks=True))
        return TheirTraining(model, optimiser, data, np.random.default_rng([42, seed]))


class TheirTraining:
    """The training step of ihead_basic_main.py."""

    def __init__(self, model: Any, optimiser: Any, data: Any, rng: np.random.Generator):
        self.model, self.data = model, data
        self._optimiser, self._rng = optimiser, rng

    def draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw tokens and running numbers of triggers."""
        tokens, occurrences = self.data.gen_batch(self._rng, size)
        return tokens[:, : LENGTH + 1], occurrences[:, :LENGTH]

    def step(self, tokens: np.ndarray, occurrences: np.ndarray) -> tuple[float, float]:
        """Train on one batch; return the loss and the accuracy before."""
        inputs, targets, scored = (
            torch.from_numpy(part.copy()) for part in (tokens[:, :-1], tokens[:, 1:], occurrences)
        )
        self._optimiser.zero_grad()
        predicted = self.model(inputs)
        loss = F.cross_entropy(predicted[scored >= 2], targets[scored >= 2])
        loss.backward()
        self._optimiser.step()
        right = predicted.detach()[scored >= 2].argmax(-1) == targets[scored >= 2]
        return loss.item(), right.float().mean().item()


class Given(BigramTask):
    """A task whose batches were drawn before; the same one again and again, or new ones each time."""

    def give(self, *batches: Sequences) -> None:
        """Give these in turn from now on."""
        object.__setattr__(self, "_batches", list(batches))

    def sample(self, n: int, rng: np.random.Generator) -> Sequences:
        """Return the next of the given ones, or draw."""
        given = getattr(self, "_batches", [])
        if not given:
            return super().sample(n, rng)
        object.__setattr__(self, "_batches", [*given[1:], given[0]])
        return given[0]


def our_training(batch_size: int, seed: int) -> tuple[Trainer, Given]:
    """Return our model in training, and its task."""
    bigrams = from_csv(COUNTS.read_text())
    task = Given(bigrams, length=LENGTH)
    recipe = Training(learning_rate=RATE, momentum=MOMENTUM, weight_decay=DECAY, batch_size=batch_size)
    config = BigramConfig(dimension=WIDTH, max_position_embeddings=LENGTH, characters="".join(bigrams.characters))
    return Trainer(new_model(config, 1, seed), task, recipe, (1, seed)), task


def main() -> None:
    """Time both sides, compare their losses, print a table, and record it if wanted."""
    options = arguments()
    torch.set_num_threads(1)
    authors = Authors.load(options.authors.resolve())
    rows = time_both(authors, options)
    if options.iterations:
        rows[0] = rows[0]._replace(accuracy=same_losses(authors, options))
    if options.seeds:
        rows[-1] = rows[-1]._replace(accuracy=losses_of_seeds(authors, options))
    finish(rows, options, f"torch {torch.__version__}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--authors", type=Path, required=True, help="folder of their repository")
    parser.add_argument("--batch-size", type=int, default=128, help="sequences in a step (default 128)")
    parser.add_argument("--repeats", type=int, default=9, help="alternating steps of each side (default 9)")
    parser.add_argument("--iterations", type=int, default=20, help="steps on the same batches (default 20)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each side, each with its own data (default 3)")
    parser.add_argument("--seed-iterations", type=int, default=60, help="steps of each seed (default 60)")
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")
    parser.set_defaults(threads=1, cpu_time=True)
    return parser.parse_args()


def time_both(authors: Authors, options: argparse.Namespace) -> list[Row]:
    """Time steps on one batch, and steps that draw their batch."""
    theirs, (ours, task) = authors.new(0), our_training(options.batch_size, 0)
    batch = task.sample(options.batch_size, np.random.default_rng(0))
    counter = iter(range(10**9))

    def ours_on(*batches: Sequences) -> float:
        task.give(*batches)
        return ours.step(next(counter))["loss"]

    routes = {
        "ours": lambda: ours_on(batch),
        "theirs": lambda: theirs.step(batch.tokens, batch.occurrences),
        "ours with data": lambda: ours_on(),
        "theirs with data": lambda: theirs.step(*theirs.draw(options.batch_size)),
    }
    in_turn(routes, 2)  # warm up
    times = in_turn(routes, options.repeats, time.process_time)
    rows = []
    for what, suffix in (("training step", ""), ("training step with its data", " with data")):
        found, expected = times[f"ours{suffix}"], times[f"theirs{suffix}"]
        rates = [
            f"{options.batch_size / value:,.0f} sequences a second, {seconds(value)}" for value in (found, expected)
        ]
        label = f"{what}, d = {WIDTH}, B = {options.batch_size}, T = {LENGTH}"
        rows.append(Row(label, rates[0], f"{rates[1]} (authors' code)", f"{expected / found:.2f}", ""))
    return rows


def same_losses(authors: Authors, options: argparse.Namespace) -> str:
    """Train both from our first weights on the same batches; say how far the losses are apart."""
    theirs, (ours, task) = authors.new(0), our_training(options.batch_size, 0)
    state = {NAMES[name]: value for name, value in ours.model.state_dict().items()}
    theirs.model.load_state_dict({**theirs.model.state_dict(), **state})
    apart = []
    for iteration in range(options.iterations):
        batch = task.sample(options.batch_size, np.random.default_rng([1, iteration]))
        task.give(batch)
        loss = ours.step(iteration)["loss"]
        task.give()
        apart.append(abs(theirs.step(batch.tokens, batch.occurrences)[0] / loss - 1))
    return f"same start and batches: {options.iterations} losses equal to {max(apart):.0e}"


def losses_of_seeds(authors: Authors, options: argparse.Namespace) -> str:
    """Train both with seeds of their own; say where the last losses and accuracies lie."""
    ends: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    for seed in range(1, options.seeds + 1):
        theirs, (ours, _) = authors.new(seed), our_training(options.batch_size, seed)
        last = max(options.seed_iterations // 10, 1)
        rows = [ours.step(iteration) for iteration in range(options.seed_iterations)][-last:]
        ends["ours"].append(tuple(statistics.fmean(row[key] for row in rows) for key in ("loss", "accuracy")))
        found = [theirs.step(*theirs.draw(options.batch_size)) for _ in range(options.seed_iterations)][-last:]
        ends["theirs"].append(tuple(statistics.fmean(values) for values in zip(*found, strict=True)))
    said = []
    for side, found in ends.items():
        spread = [
            f"{statistics.fmean(values):.3f} +- {statistics.pstdev(values):.3f}" for values in zip(*found, strict=True)
        ]
        said.append(f"{side} {spread[0]} nats, accuracy {spread[1]}")
    return f"after {options.seed_iterations} steps, {options.seeds} seeds: {'; '.join(said)}"


if __name__ == "__main__":
    main()
