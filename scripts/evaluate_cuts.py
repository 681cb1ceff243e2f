"""Evaluate one model with every cut of one experiment."""

from pathlib import Path

from weightspectra import contracts
from weightspectra.ablation.choose import planning
from weightspectra.ablation.edit import whitening
from weightspectra.ablation.measure import evaluation, subject
from weightspectra.ablation.settings import Experiment
from weightspectra.base import job
from weightspectra.models import devices, loading, requests
from weightspectra.sources import checkpoints, fetched


def main(smk):
    """Refuse what cannot work before the model is loaded; load it once; write one row per cut and metric."""
    names, wanted, seed = dict(smk.wildcards.items()), Experiment.model_validate(smk.params.experiment), smk.params.seed
    folder = fetched.opened(smk.input.source)
    config, trust = checkpoints.config(folder), {"trust_remote_code": smk.params.remote_code}
    requests.check_request(config, {"metrics": subject.names_of_metrics(wanted)})
    tables = planning.tables_of_model(smk.input.spectra, smk.input.bulk, smk.input.information)
    cuts = planning.experiment_cuts(wanted.cuts, **tables, config=config, model=names["model"], seed=seed)
    measured = {
        "corpus": contracts.CORPUS.read(smk.input.corpus) if smk.input.corpus else None,
        "tasks": {Path(path).with_suffix(""): contracts.TASKS.read(path) for path in smk.input.tasks},
        "data_sets": [contracts.EXAMPLES.read(path) for path in smk.input.data_sets],
    }
    tokenizer, device = loading.load_tokenizer(folder, **trust), devices.device(smk.params.device)
    metrics = subject.load_metrics(wanted, tokenizer, cuts=cuts, device=device, **measured)
    stored = whitening.stored_of(smk.input.vectors, smk.input.moments)
    model = subject.load_subject(folder, wanted, stored, device=device, fused_split=smk.params.fused_split, **trust)
    stamp = job.stamp(smk, device=devices.name(device))
    finished, label = job.journal(smk, stamp), f"evaluate {names['model']}"
    rows = evaluation.evaluate(model, cuts, metrics, finished, label, seed=seed)
    contracts.EVALUATIONS.write([{**names, **row} for row in rows], smk.output[0], stamp)
    finished.remove()


if __name__ == "__main__":
    job.run(main, snakemake)
