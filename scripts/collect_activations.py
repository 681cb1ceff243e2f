"""Run a model over text and collect the second moments of what its linear layers read."""

from weightspectra import contracts
from weightspectra.activations import collection, windows
from weightspectra.activations.settings import Observe
from weightspectra.activations.unknown import unknown_share
from weightspectra.base import job, progress
from weightspectra.models import devices, live, loading, weights
from weightspectra.sources import fetched


def main(smk):
    """Cut the text before the model is loaded; observe the layers of this part only."""
    observe, trust = Observe.model_validate(smk.params.observe), smk.params.remote_code
    folder, device = fetched.opened(smk.input.source), devices.device(smk.params.device)
    corpus = contracts.CORPUS.read(smk.input.corpus).query("part == 'observe'")
    texts = dict(zip(corpus["document"], corpus["text"], strict=True))
    tokenizer = loading.load_tokenizer(folder, trust_remote_code=trust)
    sample = windows.observation_windows(texts, tokenizer, window=observe.window, n_tokens=observe.n_tokens)
    batches = collection.batches_of(sample, observe.batch_size, pad_id=tokenizer.pad_token_id or 0, device=device)
    model = loading.load(folder, device=device, trust_remote_code=trust)
    windows.check_window(observe.window, model)
    matrices = live.matrices(model)
    layers = weights.layers_of_part(1 + max(key.layer for key in matrices), smk.wildcards.part)
    modules = {key: matrix.module for key, matrix in matrices.items() if key.layer in layers}
    shared = collection.find_shared_inputs(model, modules, batches[-1])
    collected = collection.collect_moments(model, shared, batches, label=f"observe {smk.wildcards.model}")
    read = {"unknown_tokens": unknown_share([window.input_ids for window in sample], tokenizer)}
    with contracts.MOMENTS.matrix_writer(smk.output[0], job.stamp(smk, device=devices.name(device)) | read) as writer:
        for found in progress.track(shared, len(shared), f"diagonalise {smk.wildcards.model}", "covariances"):
            moments = collected.pop(found)
            eigenvalues, eigenvectors = (tensor.cpu().numpy() for tensor in moments.eigenpairs())
            described = {"roles": "+".join(found.roles), "n_tokens": moments.n_tokens}
            mean = moments.mean.cpu().numpy()
            writer.write(found.key, eigenvectors, mean=mean, eigenvalue=eigenvalues, **described)


if __name__ == "__main__":
    job.run(main, snakemake)
