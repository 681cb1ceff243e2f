"""Fine-tune a classifier on one model, with deciles of its singular values removed before, after, or not at all."""

from weightspectra import contracts
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.activations import windows
from weightspectra.base import job, seeds
from weightspectra.finetuning import classification, runs
from weightspectra.finetuning.settings import Finetuning
from weightspectra.models import devices, live, loading
from weightspectra.sources import fetched


def main(smk):
    """Choose and tokenise the examples before the model is loaded; load it once; write one row per run and epoch."""
    names = {"model": smk.wildcards.model, "finetuning": smk.wildcards.finetuning}
    wanted = Finetuning.model_validate(smk.params.finetuning)
    folder = fetched.opened(smk.input.source)
    device, trust = devices.device(smk.params.device), {"trust_remote_code": smk.params.remote_code}
    tokenizer, table = loading.load_tokenizer(folder, **trust), contracts.EXAMPLES.read(smk.input.data_set)
    examples = []
    for split, count in (("train", wanted.n_train), ("test", wanted.n_test)):
        rng = seeds.generator(smk.params.seed, wanted.data_set, "examples to fine-tune on", split)
        chosen = classification.choose(table, split, count, rng)
        examples.append(classification.tokenised(tokenizer, chosen, max_length=wanted.max_length))
    encoder = loading.load(folder, device=device, **trust)
    windows.check_window(wanted.max_length, encoder, key="max_length")
    classifier = classification.Classifier(encoder, 1 + max(table["label"]), tokenizer.pad_token_id or 0).to(device)
    matrices, vectors = live.matrices(encoder, smk.params.fused_split), contracts.VECTORS.matrices(smk.input.vectors)
    subject = runs.TuningSubject(classifier, matrices, Stored(lambda key: vectors[key]["values"]), *examples)
    of_runs = [seeds.derived_seed(smk.params.seed, *names.values(), str(run)) for run in range(wanted.n_seeds)]
    stamp = job.stamp(smk, device=devices.name(device))
    finished = job.journal(smk, stamp)
    rows = runs.finetune(subject, wanted, of_runs, journal=finished, label=f"fine-tune {names['model']}")
    contracts.FINETUNINGS.write([{**names, **row} for row in rows], smk.output[0], stamp)
    finished.remove()


if __name__ == "__main__":
    job.run(main, snakemake)
