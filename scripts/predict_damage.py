"""Predict what removing each decile of each matrix does to a model, and name the directions that surprise."""

import torch

from weightspectra import contracts
from weightspectra.activations import windows
from weightspectra.base import job, seeds
from weightspectra.damage import directions, next_tokens, prediction, sensitivity
from weightspectra.damage.settings import Predict
from weightspectra.models import devices, live, loading, requests
from weightspectra.sources import checkpoints, fetched


def main(smk):
    """Refuse what cannot work before the model is loaded; run it once forward, and backward with each probe."""
    names, wanted = dict(smk.wildcards.items()), Predict.model_validate(smk.params.predict)
    folder, trust = fetched.opened(smk.input.source), {"trust_remote_code": smk.params.remote_code}
    requests.check_request(checkpoints.config(folder), {"metrics": ["predict"]})
    texts = contracts.CORPUS.read(smk.input.corpus).query("part == 'observe'")[["document", "text"]]
    tokenizer, device = loading.load_tokenizer(folder, **trust), devices.device(smk.params.device)
    sampling = {"window": wanted.window, "n_tokens": wanted.n_tokens, "bos": wanted.bos}
    sample = next_tokens.scored_windows(dict(texts.to_numpy()), tokenizer, **sampling)
    batches = next_tokens.language_batches(sample, wanted.batch_size, tokenizer.pad_token_id or 0, device)
    model = loading.load(folder, head="causal", dtype=getattr(torch, wanted.dtype), device=device, **trust)
    windows.check_window(wanted.window, model)
    probes = torch.Generator().manual_seed(seeds.derived_seed(smk.params.seed, *names.values(), "damage"))
    matrices, stored = live.matrices(model, smk.params.fused_split), contracts.VECTORS.matrices(smk.input.vectors)
    subject = sensitivity.ExaminedModel(model, matrices, lambda key: stored[key]["values"], next_tokens.predict)
    found = sensitivity.respond(subject, batches, wanted.n_probes, probes, f"predict {names['model']}")
    values = prediction.values_of_responding(contracts.SPECTRA.read(smk.input.spectra), found)
    named = directions.name_directions(subject, batches, values, found, wanted.n_directions, tokenizer)
    predicted, stamp = prediction.predict(values, found), job.stamp(smk, device=devices.name(device))
    contracts.PREDICTIONS.write([{**names, **row} for row in predicted], smk.output.predictions, stamp)
    contracts.DIRECTIONS.write([{**names, **row} for row in named], smk.output.directions, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
