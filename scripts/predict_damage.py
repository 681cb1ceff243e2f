"""Predict what removing each decile of each matrix does to a model, and name the directions that surprise."""

from pathlib import Path

import torch

from weightspectra import contracts, job, provenance
from weightspectra.ablation import damage, directions, sensitivity
from weightspectra.activations import windows
from weightspectra.models import checkpoints, devices, families, live, loading


def main(smk):
    """Refuse what cannot work before the model is loaded; run it once forward, and backward with each probe."""
    names, wanted = {"model": smk.wildcards.model, "corpus": smk.wildcards.corpus}, smk.params.predict
    folder, device = Path(smk.input.source).with_suffix(""), devices.device(smk.params.device)
    families.check_request(checkpoints.config(folder), {"metrics": ["predict"]})
    trust, label = {"trust_remote_code": smk.params.remote_code}, f"predict {names['model']}"
    texts = contracts.CORPUS.read(smk.input.corpus).query("part == 'observe'")[["document", "text"]]
    tokenizer, count = loading.load_tokenizer(folder, **trust), -(-wanted["n_tokens"] // wanted["window"])
    sampling = {"window": wanted["window"], "stride": wanted["window"], "n_windows": count, "bos": wanted["bos"]}
    sample = windows.evaluation_windows(dict(texts.to_numpy()), tokenizer, **sampling)
    batches = sensitivity.language_batches(sample, wanted["batch_size"], tokenizer.pad_token_id or 0, device)
    model = loading.load(folder, head="causal", dtype=getattr(torch, wanted["dtype"]), device=device, **trust)
    windows.check_window(wanted["window"], model)
    probes = torch.Generator().manual_seed(provenance.derived_seed(smk.params.seed, *names.values(), "damage"))
    matrices = live.matrices(model, smk.params.fused_split)
    stored, spectra = contracts.VECTORS.matrices(smk.input.vectors), contracts.SPECTRA.read(smk.input.spectra)
    subject = sensitivity.Subject(model, matrices, lambda key: stored[key]["values"], sensitivity.next_tokens)
    found = sensitivity.respond(subject, batches, wanted["n_probes"], probes, label)
    values = damage.singular_values(spectra, found)
    rows = damage.predict(values, found)
    named = directions.name_directions(subject, batches, values, found, wanted["n_directions"], tokenizer)
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.PREDICTIONS.write([{**names, **row} for row in rows], smk.output.predictions, stamp)
    contracts.DIRECTIONS.write([{**names, **row} for row in named], smk.output.directions, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
