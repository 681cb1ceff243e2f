"""Predict what removing each decile of each matrix does to a model, and name the directions that surprise."""

from pathlib import Path

import torch

from weightspectra import contracts
from weightspectra.activations import windows
from weightspectra.base import job, seeds
from weightspectra.damage import directions, next_tokens, prediction, sensitivity
from weightspectra.models import devices, live, loading, requests
from weightspectra.sources import checkpoints


def main(smk):
    """Refuse what cannot work before the model is loaded; run it once forward, and backward with each probe."""
    names, wanted = {"model": smk.wildcards.model, "corpus": smk.wildcards.corpus}, smk.params.predict
    folder, device = Path(smk.input.source).with_suffix(""), devices.device(smk.params.device)
    requests.check_request(checkpoints.config(folder), {"metrics": ["predict"]})
    trust, label = {"trust_remote_code": smk.params.remote_code}, f"predict {names['model']}"
    texts = contracts.CORPUS.read(smk.input.corpus).query("part == 'observe'")[["document", "text"]]
    tokenizer, sampling = loading.load_tokenizer(folder, **trust), {n: wanted[n] for n in ("window", "n_tokens", "bos")}
    sample = next_tokens.scored_windows(dict(texts.to_numpy()), tokenizer, **sampling)
    batches = next_tokens.language_batches(sample, wanted["batch_size"], tokenizer.pad_token_id or 0, device)
    model = loading.load(folder, head="causal", dtype=getattr(torch, wanted["dtype"]), device=device, **trust)
    windows.check_window(wanted["window"], model)
    probes = torch.Generator().manual_seed(seeds.derived_seed(smk.params.seed, *names.values(), "damage"))
    matrices = live.matrices(model, smk.params.fused_split)
    stored = contracts.VECTORS.matrices(smk.input.vectors)
    subject = sensitivity.ExaminedModel(model, matrices, lambda key: stored[key]["values"], next_tokens.predict)
    found = sensitivity.respond(subject, batches, wanted["n_probes"], probes, label)
    values = prediction.values_of_responding(contracts.SPECTRA.read(smk.input.spectra), found)
    named = directions.name_directions(subject, batches, values, found, wanted["n_directions"], tokenizer)
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.PREDICTIONS.write(
        [{**names, **row} for row in prediction.predict(values, found)], smk.output.predictions, stamp
    )
    contracts.DIRECTIONS.write([{**names, **row} for row in named], smk.output.directions, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
