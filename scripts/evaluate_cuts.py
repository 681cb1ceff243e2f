"""Evaluate one model with every cut of one experiment."""

import json
from pathlib import Path

import torch

from weightspectra import contracts, job, provenance
from weightspectra.ablation import cuts, evaluation, journal, selection
from weightspectra.activations import windows
from weightspectra.models import devices, families, live, loading


def main(smk):
    """Refuse what cannot work before the model is loaded; load it once; write one row per cut."""
    names, wanted = {"model": smk.wildcards.model, "experiment": smk.wildcards.experiment}, smk.params.experiment
    folder, output = Path(smk.input.source).with_suffix(""), Path(smk.output[0])
    families.check_request(json.loads((folder / "config.json").read_text()), {"metrics": [wanted["metric"]]})
    spectra = selection.spectra_of(contracts.SPECTRA.read(smk.input.spectra), contracts.BULK.read(smk.input.bulk))
    planned = cuts.plan_cuts(wanted["cuts"], spectra)
    documents = contracts.CORPUS.read(smk.input.corpus).query("part == 'evaluate'")[["document", "text"]]
    sampling = {name: wanted[name] for name in ("window", "stride", "n_windows", "bos")}
    device, trust = devices.device(smk.params.device), {"trust_remote_code": smk.params.remote_code}
    scored = windows.evaluation_windows(dict(documents.to_numpy()), loading.load_tokenizer(folder, **trust), **sampling)
    model = loading.load(folder, head=True, dtype=getattr(torch, wanted["dtype"]), device=device, **trust)
    windows.check_window(wanted["window"], model)
    matrices, vectors = live.matrices(model, smk.params.fused_split), contracts.VECTORS.matrices(smk.input.vectors)
    subject = evaluation.Subject(model, matrices, spectra, lambda key: vectors[key]["values"], device)
    stamp, inputs = job.stamp(smk, device=devices.name(device)), [contracts.read_provenance(path) for path in smk.input]
    key = provenance.digest([stamp, inputs, smk.threads])
    finished = journal.Journal(output.with_name(f".{names['experiment']}.journal"), key)
    options = {"batch_size": wanted["batch_size"], "journal": finished, "label": f"evaluate {names['model']}"}
    rows = evaluation.evaluate(subject, planned, scored, **options)
    contracts.EVALUATIONS.write([{**names, **row} for row in rows], output, stamp)
    finished.remove()


if __name__ == "__main__":
    job.run(main, snakemake)
