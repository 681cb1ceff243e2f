"""Perplexity of a causal model, against lm-eval's rolling log-likelihood on the same windows; and what a cut costs.

    python bench/evaluate.py results/sources/smollm2 [--record]

Both score the same stretches of the corpus, window by window, with the same
batch size in float32. Times are medians of alternating runs in one process. The
accuracy is the largest relative difference of a document's log-likelihood.
The cost of changing a cut is that of reading the vectors of one role in all
layers from Parquet, removing a decile, and putting the weights back.
"""

import argparse
import io
import logging
import sys
import tempfile
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from results import Row, add_timing_arguments, clock_of, finish, in_turn, seconds

from weightspectra import contracts
from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.edit.truncation import Stored, edited
from weightspectra.ablation.measure.perplexity import window_nll
from weightspectra.ablation.settings import Cut
from weightspectra.activations.windows import Window
from weightspectra.models import devices, live, loading


def main() -> None:
    """Time both routes and the change of a cut, print a table, and record it if wanted."""
    options = arguments()
    torch.set_num_threads(options.threads)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    device = devices.device(options.device)
    clock = clock_of(options)
    model, tokenizer = loading.load(options.model, head="causal", device=device), loading.load_tokenizer(options.model)
    lm_eval = as_lm_eval(model, tokenizer, options)
    texts = stretches(options, tokenizer)
    evaluation, ours = compare(model, lm_eval, texts, device, options, clock)
    rows = [evaluation, cost_of_a_cut(model, ours, Path(options.model).name, options, clock)]
    gpu = devices.name(device) if device.type == "cuda" else None
    finish(rows, options, f"torch {torch.__version__}", gpu)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    add_timing_arguments(parser)
    return parser.parse_args()


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to evaluate, on what text."""
    parser.add_argument("model", nargs="?", default="results/sources/smollm2", help="folder of a causal model")
    parser.add_argument("--corpus", default="results/corpora/sotu.parquet", help="texts (contracts.CORPUS)")
    parser.add_argument("--windows", type=int, default=8, help="windows (default 8)")
    parser.add_argument("--window", type=int, default=256, help="tokens in a window (default 256)")
    parser.add_argument("--batch-size", type=int, default=8, help="windows in a forward pass (default 8)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or auto")


def as_lm_eval(model, tokenizer, options: argparse.Namespace) -> HFLM:
    """Wrap the model for lm-eval, with the settings that make its windows ours."""
    settings = {"batch_size": options.batch_size, "max_length": options.window}
    return HFLM(pretrained=model, tokenizer=tokenizer, softmax_dtype="float32", add_bos_token=False, **settings)


def stretches(options: argparse.Namespace, tokenizer) -> list[str]:
    """Return one stretch of text from each of the first documents, a few tokens shorter than a window."""
    documents = contracts.CORPUS.read(options.corpus).query("part == 'evaluate'")["text"]
    room = options.window - 4  # decoding and encoding again may add a token or two
    return [
        tokenizer.decode(tokenizer(text, add_special_tokens=False, verbose=False).input_ids[:room])
        for text in documents[: options.windows]
    ]


def compare(model, lm_eval: HFLM, texts: list[str], device: torch.device, options, clock) -> tuple[Row, float]:
    """Time both on the same windows; return the row and our own time."""
    found: dict[str, np.ndarray] = {}
    windows = rolling_windows(texts, lm_eval)

    def ours() -> None:
        found["ours"] = -window_nll(model, windows, batch_size=options.batch_size)

    def theirs() -> None:
        found["theirs"] = rolling_log_likelihoods(texts, lm_eval)

    routes = {"ours": ours, "theirs": theirs}
    in_turn(routes, 1)  # warm up
    times = in_turn(routes, options.repeats, clock, settle_on(device))
    number = [int(window.document) for window in windows]
    difference = float(np.max(np.abs(np.bincount(number, weights=found["ours"]) / found["theirs"] - 1)))
    what = f"log-likelihood of {sum(window.n_scored for window in windows)} tokens, {Path(options.model).name}"
    theirs_spelt = f"{seconds(times['theirs'])} (lm-eval, rolling)"
    accuracy = f"equal to {difference:.0e}, expected <= 1e-6"
    ratio = f"{times['theirs'] / times['ours']:.2f}"
    return Row(what, seconds(times["ours"]), theirs_spelt, ratio, accuracy), times["ours"]


def rolling_log_likelihoods(texts: list[str], lm_eval: HFLM) -> np.ndarray:
    """Return lm-eval's log-likelihood of each text."""
    requests = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts]
    with redirect_stderr(io.StringIO()):  # lm-eval draws a bar that cannot be turned off
        return np.array(lm_eval.loglikelihood_rolling(requests, disable_tqdm=True))


def rolling_windows(texts: list[str], lm_eval: HFLM) -> list[Window]:
    """Cut texts into lm-eval's own windows; a document's name is its number."""
    windows = []
    for number, text in enumerate(texts):
        ids, first = lm_eval.tokenizer(text, add_special_tokens=False).input_ids, 0
        settings = {"prefix_token": lm_eval.prefix_token_id, "max_seq_len": lm_eval.max_length, "context_len": 1}
        for context, scored in map(make_disjoint_window, get_rolling_token_windows(ids, **settings)):
            windows.append(Window(str(number), [*context, *scored], len(scored), first))
            first += len(scored)
    return windows


def cost_of_a_cut(model, evaluation: float, name: str, options, clock) -> Row:
    """Time reading vectors, removing the smallest decile of each role and putting it back; the mean over roles."""
    matrices = live.matrices(model)
    spectra, bases = random_spectra(matrices)
    cuts = plan_cuts([Cut(remove={"deciles": [1]})], spectra)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.parquet"
        with contracts.VECTORS.matrix_writer(path, {}) as writer:
            for key in matrices:
                writer.write(key, bases[key])
        vectors = contracts.VECTORS.matrices(path)

        def change() -> None:
            for cut in cuts:
                with edited(matrices, cut.edits, Stored(lambda key: vectors[key]["values"])):
                    pass

        change()  # warm up
        times = in_turn({"change": change}, options.repeats, clock, settle_on(next(model.parameters()).device))
    time_of_one = times["change"] / len(cuts)
    share = f"{time_of_one / evaluation:.1%} of the evaluation"
    what = f"changing a cut (one role in all layers), {name}"
    return Row(what, seconds(time_of_one), f"{seconds(evaluation)} (the evaluation itself)", "-", share)


def random_spectra(matrices) -> tuple[dict, dict]:
    """Return flat spectra and random bases in the shapes of a model's matrices: which directions go costs nothing."""
    shapes = {key: matrix.read().shape for key, matrix in matrices.items()}
    rng = np.random.default_rng(1)
    sizes = sorted({min(shape) for shape in shapes.values()})
    bases = {size: np.linalg.qr(rng.standard_normal((size, size)))[0].astype(np.float32) for size in sizes}
    spectra = {key: Spectrum(np.ones(min(shape)), *shape) for key, shape in shapes.items()}
    return spectra, {key: bases[min(shape)] for key, shape in shapes.items()}


def settle_on(device: torch.device):
    """Return what waits until everything started on a device is done."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


if __name__ == "__main__":
    main()
