"""Train one transformer on the bigram task; keep its parameters at chosen iterations, and the loss of every batch."""

from pathlib import Path

import torch

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.base.seeds import seeded
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.settings import TaskData, Training, Transformer
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams
from weightspectra.birth.training.resuming import Kept, train
from weightspectra.birth.training.steps import Trainer, new_model
from weightspectra.models import devices


def main(smk):
    """Go on after the last checkpoint that an earlier, interrupted job has finished."""
    torch.set_num_threads(smk.threads)  # sums over more threads have other bits
    run, device = {"birth": smk.wildcards.birth, "seed": int(smk.wildcards.seed)}, devices.device(smk.params.device)
    bigrams, recipe = Bigrams.of(contracts.CHARACTERS.read(smk.input[0])), Training.model_validate(smk.params.training)
    task, characters = BigramTask.of(TaskData.model_validate(smk.params.data), bigrams), "".join(bigrams.characters)
    sizes = {"vocab_size": len(characters), "max_position_embeddings": task.length, "characters": characters}
    seeds = smk.params.seed, run["seed"]
    shape = Transformer.model_validate(smk.params.model)
    model = new_model(BigramConfig(**shape.plain(), **sizes), *seeds).to(device)
    stamp = job.stamp(smk, device=devices.name(device))
    output = Path(smk.output.checkpoints)
    kept = Kept(output.with_name(f".{output.stem}.kept"), job.work_key(smk, stamp))
    with seeded(run["seed"], device):  # nothing is drawn, but a GPU must repeat its bits
        train(Trainer(model, task, recipe, seeds), kept, run)
    contracts.CHECKPOINTS.write(kept.checkpoints(), output, stamp)
    contracts.LEARNING.write([{**run, **row} for row in kept.learning], smk.output.learning, stamp)
    kept.remove()


if __name__ == "__main__":
    job.run(main, snakemake)
