"""Peak memory of an evaluation: the model, one window batch, and the logits of one chunk.

    python bench/evaluate_memory.py [results/sources/smollm2] [--record]

Each row is measured in a process of its own, as the largest resident size while
scoring (or while evaluating a cut of one matrix) over that with the model loaded.
The large vocabulary is that of a random model with two narrow blocks, 128k words
and one window of 8k tokens. What scoring must not need is in the last column
but one: all logits of the batch in float32.
"""

import argparse
import multiprocessing
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from results import Row, add_timing_arguments, finish

MB = 2**20


def main() -> None:
    """Measure each case in a fresh process, print a table, and record it if wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="results/sources/smollm2", help="folder of a causal model")
    parser.add_argument("--window", type=int, default=512, help="tokens in a window (default 512)")
    parser.add_argument("--batch-size", type=int, default=8, help="windows in a forward pass (default 8)")
    parser.add_argument("--vocabulary", type=int, default=131072, help="words of the random model (default 131072)")
    parser.add_argument("--context", type=int, default=8192, help="tokens of its window (default 8192)")
    add_timing_arguments(parser)
    options = parser.parse_args()
    rows = []
    for case in (large_vocabulary, one_cut):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(case, (options,)))
    finish(rows, options, "largest resident size")


def large_vocabulary(options: argparse.Namespace) -> Row:
    """Score one long window with a large vocabulary."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from weightspectra.ablation.measure.perplexity import window_nll
    from weightspectra.activations.windows import Window

    torch.set_num_threads(options.threads)
    size = {"vocab_size": options.vocabulary, "hidden_size": 64, "intermediate_size": 64}
    depth = {"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": options.context}
    model = LlamaForCausalLM(LlamaConfig(**size, **depth)).eval()
    tokens = torch.arange(options.context + 1).remainder(options.vocabulary).tolist()
    window_nll(model, [Window("", tokens[:65], 64)], batch_size=1)  # warm up
    before = peak()
    window_nll(model, [Window("", tokens, options.context)], batch_size=1)
    logits = options.vocabulary * options.context * 4
    what = f"scoring {options.context} tokens with a vocabulary of {options.vocabulary}: memory beside the model"
    return row(what, peak() - before, logits)


def one_cut(options: argparse.Namespace) -> Row:
    """Evaluate the untouched model and one cut of one matrix."""
    import tempfile

    import numpy as np
    import torch
    from evaluate import random_spectra

    from weightspectra.ablation.choose.cuts import plan_cuts
    from weightspectra.ablation.edit.truncation import Stored
    from weightspectra.ablation.measure.evaluation import EditableModel, evaluate
    from weightspectra.ablation.measure.perplexity import Perplexity
    from weightspectra.ablation.settings import Cut
    from weightspectra.activations.windows import Window
    from weightspectra.base.journal import Journal
    from weightspectra.models import live, loading

    torch.set_num_threads(options.threads)
    model, tokenizer = loading.load(options.model, head="causal"), loading.load_tokenizer(options.model)
    matrices = live.matrices(model)
    spectra, bases = random_spectra(matrices)
    entry = Cut(remove={"deciles": [1]}, scope="matrix", roles=["down"], layers=[0])
    cuts, vocabulary = plan_cuts([entry], spectra), model.config.vocab_size
    tokens = np.random.default_rng(1).integers(vocabulary, size=(options.batch_size, options.window + 1)).tolist()
    windows, texts = [Window("a", row, options.window) for row in tokens], {"a": "text"}
    # Weights are mapped from the file; read them all, so that they count as the model's.
    sum(float(parameter.sum()) for parameter in model.parameters())
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        metric = Perplexity(windows, texts, tokenizer, batch_size=options.batch_size)
        journal = Journal(Path(folder) / "journal", "key")
        evaluate(EditableModel(model, matrices, Stored(bases.__getitem__)), cuts, [metric], journal, "memory")
    logits = options.batch_size * options.window * vocabulary * 4
    what = (
        f"a cut of one matrix, {options.batch_size} windows of {options.window}, {Path(options.model).name}: "
        "memory beside the model"
    )
    return row(what, peak() - before, logits)


def row(what: str, ours: int, logits: int) -> Row:
    """Return a row about memory."""
    return Row(what, f"{ours / MB:.0f} MB", f"{logits / MB:.0f} MB (all logits alone)", f"{logits / ours:.1f}", "-")


def peak() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
