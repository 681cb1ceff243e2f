"""What it saves to keep what the blocks before a cut compute: single layers of one model, layer by layer.

    python bench/evaluate_scan.py results/sources/smollm2 --window 512 --windows 16 [--record]

All matrices of one layer lose one decile, for several layers and deciles. The
scan is run as the pipeline runs it (untouched model, cuts sorted by layer, a
journal on the disk), with the kept states and with full forward passes, in
turn; every number of both must have the same bits. The other side of the second
row are full forward passes of lm-eval over the same windows: the time of one,
times their number. Singular vectors are random: only what they cost matters.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from evaluate import (
    add_model_arguments,
    as_lm_eval,
    random_spectra,
    rolling_log_likelihoods,
    rolling_windows,
    settle_on,
    stretches,
)
from results import Row, add_timing_arguments, clock_of, finish, in_turn, seconds

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.ablation.measure.evaluation import EditableModel, evaluate, first_layer
from weightspectra.ablation.measure.perplexity import Perplexity
from weightspectra.ablation.settings import Cut
from weightspectra.base.journal import Journal
from weightspectra.models import devices, live, loading


class InFull(Perplexity):
    """Perplexity that keeps nothing."""

    def measure(self, model, first_layer=0):
        """Run all blocks every time."""
        return super().measure(model, 0)


def main() -> None:
    """Time the scan both ways, print a table, and record it if wanted."""
    options = arguments()
    torch.set_num_threads(options.threads)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    device = devices.device(options.device)
    model, tokenizer = loading.load(options.model, head="causal", device=device), loading.load_tokenizer(options.model)
    matrices = live.matrices(model)
    spectra, bases = random_spectra(matrices)
    cuts = plan_cuts([Cut(remove={"deciles": options.deciles}, scope="layer", layers=options.layers)], spectra)
    lm_eval = as_lm_eval(model, tokenizer, options)
    texts = stretches(options, tokenizer)
    windows, named = rolling_windows(texts, lm_eval), {str(number): text for number, text in enumerate(texts)}
    subject, found = EditableModel(model, matrices, Stored(bases.__getitem__)), {}

    def scan(name: str, kind: type[Perplexity]) -> None:
        layers = [first_layer(cut) for cut in cuts]
        metric = kind(windows, named, tokenizer, batch_size=options.batch_size, first_layers=layers)
        with tempfile.TemporaryDirectory() as folder:
            found[name] = evaluate(subject, cuts, [metric], Journal(Path(folder) / "journal", "key"), name)

    routes = {"kept": lambda: scan("kept", Perplexity), "full": lambda: scan("full", InFull)}
    routes["lm-eval"] = lambda: rolling_log_likelihoods(texts, lm_eval)
    routes["lm-eval"]()  # warm up
    times = in_turn(routes, options.repeats, clock_of(options), settle_on(device))
    differing = sum(str(one) != str(other) for one, other in zip(found["kept"], found["full"], strict=True))
    what = f"{len(cuts)} cuts of one layer each, {len(windows)} windows of {options.window}, {Path(options.model).name}"
    others = {"full forward passes": times["full"], "lm-eval, full": times["lm-eval"] * (len(cuts) + 1)}
    rows = [
        Row(what, seconds(times["kept"]), f"{seconds(time)} ({name})", f"{time / times['kept']:.2f}", accuracy)
        for (name, time), accuracy in zip(others.items(), (f"{differing} rows differ in a bit", "-"), strict=True)
    ]
    gpu = devices.name(device) if device.type == "cuda" else None
    finish(rows, options, f"torch {torch.__version__}", gpu)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 4, 9, 14, 19, 24, 29], help="layers to cut")
    parser.add_argument("--deciles", type=int, nargs="+", default=[1, 2, 3, 9, 10], help="deciles to remove")
    add_timing_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
