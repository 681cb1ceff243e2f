"""Probe all checkpoints of one run: what they can do, which memories they hold, where the last one looks."""

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.birth.model import checkpoints
from weightspectra.birth.probes import suite
from weightspectra.birth.settings import Probing, TaskData
from weightspectra.birth.task import bigram_task, characters
from weightspectra.models import devices


def main(smk):
    """Write one row per iteration and probe, and the attention of the last checkpoint in one example."""
    run = checkpoints.Run.read(smk.input.checkpoints)
    bigrams = characters.Bigrams.of(contracts.CHARACTERS.read(smk.input.characters))
    data, probing = TaskData.model_validate(smk.params.data), Probing.model_validate(smk.params.probe)
    device = devices.device(smk.params.device)
    subject = run, bigram_task.BigramTask.of(data, bigrams), probing.n_sequences, smk.params.seed, device
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.PROBES.write(suite.probe_run(*subject), smk.output.probes, stamp)
    contracts.ATTENTION_MAPS.write(list(suite.map_attention(*subject)), smk.output.attention_maps, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
