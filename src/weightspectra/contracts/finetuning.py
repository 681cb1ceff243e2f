"""What fine-tuning does to singular values and their removal."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, KEY, MODEL, SHAPE, SIDES, count, list_of, share, size
from weightspectra.contracts.contract import Column, Contract

FINETUNINGS = Contract(
    "finetunings",
    2,
    "One row per run and epoch: a classifier fine-tuned without removal, after it, or before it.",
    (
        MODEL,
        Column("finetuning", pa.string(), "the fine-tuning's name in the configuration"),
        Column(
            "order",
            pa.string(),
            "'none', 'remove_first' (remove, fine-tune) or 'remove_last' (fine-tune, remove)",
            one_of=("none", "remove_first", "remove_last"),
        ),
        Column("decile", pa.int16(), "the decile removed from every matrix; 0 if none", minimum=0, maximum=10),
        share("removed_energy", "share of the matrices' squared Frobenius norm removed; 0 if none is"),
        count(
            "seed",
            "the run's number, from 0: runs of one number have the same head, order of examples and dropout",
            pa.int64(),
        ),
        Column("epoch", pa.int16(), "passes over the training examples", minimum=1),
        size("train_loss", "mean cross-entropy over the last epoch, in nats"),
        size("loss", "mean cross-entropy on the test examples, in nats", nan=True, infinite=True),
        share("accuracy", "share of the test examples classified rightly"),
        share("auc", "area under the ROC curve (mean of one against the rest for more than two classes)", nan=True),
        Column("n_train", pa.int64(), "training examples", minimum=1),
        Column("n_test", pa.int64(), "test examples", minimum=1),
        share("unknown_tokens", "share of the examples' tokens, of both parts, that the tokenizer does not know"),
        Column("units", list_of(pa.string()), "for each test example its group, or its own name if it has none"),
        Column("right", list_of(pa.int8()), "1 for each test example classified rightly, else 0", minimum=0, maximum=1),
    ),
    key=("model", "finetuning", "order", "decile", "seed", "epoch"),
)


def _shares(side: str) -> tuple[Column, ...]:
    """Return the columns that tell where in one side's singular vectors of the base the difference lies."""
    where = f"the base's {side} vectors, decile 1 (the smallest tenth) to 10"
    return (
        share(f"{side}_shares", f"share of the difference's energy in {where}", FLOAT64_LIST, nan=True),
        share(f"{side}_expected", "mean of such shares for a difference of random orientation", FLOAT64_LIST),
        Column(f"{side}_low", FLOAT64_LIST, "2.5 % quantile of such shares, given the difference's singular values"),
        Column(f"{side}_high", FLOAT64_LIST, "97.5 % quantile"),
        share(
            f"{side}_leading",
            f"share of the difference's ten leading {side} vectors, each counted equally, in {where}",
            FLOAT64_LIST,
            nan=True,
        ),
        Column(f"{side}_leading_low", FLOAT64_LIST, "2.5 % quantile of those for vectors of random orientation"),
        Column(f"{side}_leading_high", FLOAT64_LIST, "97.5 % quantile"),
    )


COMPARISONS = Contract(
    "comparisons",
    2,
    "One row per matrix of two models of one shape: the spectrum of their difference, and where it lies in the base. "
    "Where nothing changed, shares are not numbers (NaN).",
    (
        Column("comparison", pa.string(), "the comparison's name in the configuration"),
        Column("base", pa.string(), "the model before"),
        Column("tuned", pa.string(), "the model after"),
        *KEY,
        *SHAPE,
        size("relative_change", "Frobenius norm of the difference over that of the base", nan=True),
        Column(
            "stable_rank",
            pa.float64(),
            "squared Frobenius norm of the difference over its squared largest singular value",
            minimum=1,
            nan=True,
        ),
        count("n_above", "singular values of the difference above the bound"),
        size(
            "bound_upper",
            "the calibrated bound; where too many values are lost in rounding for a law, the rounding floor",
        ),
        Column(
            "alignment",
            pa.float64(),
            "cosine between difference and base, taken as vectors of entries",
            minimum=-1,
            maximum=1,
            nan=True,
        ),
        size("singular_values", "of the difference, largest first", FLOAT64_LIST),
        *(column for side in SIDES for column in _shares(side)),
    ),
    key=("comparison", "layer", "role", "expert"),
    ordered=tuple((f"{side}{kind}_low", f"{side}{kind}_high") for side in SIDES for kind in ("", "_leading")),
)
