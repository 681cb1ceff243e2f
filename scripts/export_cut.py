"""Write one model after one cut as a checkpoint, with a card of what was removed and what it cost."""

import json

import torch

from weightspectra import contracts
from weightspectra.ablation.choose import labels, planning
from weightspectra.ablation.edit import whitening
from weightspectra.ablation.export import card, exporting
from weightspectra.ablation.settings import Experiment
from weightspectra.base import atomic, checksums, job
from weightspectra.models import devices, live, loading
from weightspectra.sources import checkpoints, fetched


def main(smk):
    """Find the cut before the model is loaded; apply it as the evaluation did; write a folder, whole or not at all."""
    names = {name: smk.wildcards[name] for name in ("model", "experiment")}
    wanted = Experiment.model_validate(smk.params.experiment)
    source = fetched.opened(smk.input.source)
    config, evaluations = checkpoints.config(source), contracts.EVALUATIONS.read(smk.input.evaluations)
    tables = planning.tables_of_model(smk.input.spectra, smk.input.bulk, smk.input.information)
    known = {"config": config, "model": names["model"], "seed": smk.params.seed}
    cuts = {cut.label: cut for cut in planning.experiment_cuts(wanted.cuts, **tables, **known)}
    cut = cuts[labels.find(smk.wildcards.cut, list(cuts))]
    device, head = devices.device(smk.params.device), exporting.head_of(config)
    options = {"dtype": getattr(torch, wanted.dtype), "trust_remote_code": smk.params.remote_code}
    model = loading.load(source, head=head, device=device, **options)
    stored = whitening.stored_of(smk.input.vectors, smk.input.moments)
    matrices, stamp = live.matrices(model, smk.params.fused_split), job.stamp(smk, device=devices.name(device))
    with atomic.replace_folder(smk.output[0]) as folder:
        exported = exporting.write_checkpoint(model, matrices, cut, stored, source, folder)
        (folder / "README.md").write_text(card.card(cut, exported, evaluations, **names, head=head, provenance=stamp))
        (folder / "provenance.json").write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n")
        checksums.write_sums((path for path in folder.rglob("*") if path.is_file()), folder / "checksums.sha256")


if __name__ == "__main__":
    job.run(main, snakemake)
