"""Score the locator on the known memories of one run, and knock out what it finds."""

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.birth.locator import ground_truth, knockouts
from weightspectra.birth.model import checkpoints
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import suite
from weightspectra.birth.settings import Probing, TaskData, Training
from weightspectra.birth.task import bigram_task, characters
from weightspectra.models import devices
from weightspectra.randomness.noise import nulls


def main(smk):
    """Write two rows per iteration and matrix, and one per cut of the middle and the last checkpoint."""
    run, params = checkpoints.Run.read(smk.input.checkpoints), smk.params
    bigrams = characters.Bigrams.of(contracts.CHARACTERS.read(smk.input.characters))
    learnt = bigram_task.BigramTask.of(TaskData.model_validate(params.data), bigrams)
    device = devices.device(params.device)
    shapes = {values.shape for name, values in run.parameters(0).items() if name in WEIGHTS.values()}
    # As simulate_nulls does for models: a second's work, so that no job waits for another.
    noise = params.n_spectra, params.n_vectors, params.seed
    tables = {shape: nulls.draw(shape, *noise) for shape in nulls.shapes(shapes)}
    training, probing = Training.model_validate(params.training), Probing.model_validate(params.probe)
    rows = ground_truth.score_run(run, learnt, training, tables, params.level, params.seed)
    sequences = suite.sequences_of(learnt, probing.n_sequences, params.seed, run.seed)
    n_triggers = None if learnt.fixed_triggers is None else learnt.n_triggers
    cuts = []
    for iteration in knockouts.chosen(run.iterations):
        located = ground_truth.n_located(rows, iteration)
        cuts += knockouts.knock_out(run, iteration, located, sequences, n_triggers, device)
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.LOCATIONS.write(rows, smk.output.locations, stamp)
    contracts.KNOCKOUTS.write(cuts, smk.output.knockouts, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
