"""What fine-tuning does to singular values and their removal."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, KEY, MODEL, SHAPE, list_of
from weightspectra.contracts.contract import Column, Contract

FINETUNINGS = Contract(
    "finetunings",
    1,
    "One row per run and epoch: a classifier fine-tuned without removal, after it, or before it.",
    (
        MODEL,
        Column("finetuning", pa.string(), "the fine-tuning's name in the configuration"),
        Column("order", pa.string(), "'none', 'remove_first' (remove, fine-tune) or 'remove_last' (fine-tune, remove)"),
        Column("decile", pa.int16(), "the decile removed from every matrix; 0 if none"),
        Column("removed_energy", pa.float64(), "share of the matrices' squared Frobenius norm removed; 0 if none is"),
        Column(
            "seed",
            pa.int64(),
            "the run's number, from 0: runs of one number have the same head, order of examples and dropout",
        ),
        Column("epoch", pa.int16(), "passes over the training examples"),
        Column("train_loss", pa.float64(), "mean cross-entropy over the last epoch, in nats"),
        Column("loss", pa.float64(), "mean cross-entropy on the test examples, in nats"),
        Column("accuracy", pa.float64(), "share of the test examples classified rightly"),
        Column(
            "auc", pa.float64(), "area under the ROC curve (mean of one against the rest for more than two classes)"
        ),
        Column("n_train", pa.int64(), "training examples"),
        Column("n_test", pa.int64(), "test examples"),
        Column("units", list_of(pa.string()), "for each test example its group, or its own name if it has none"),
        Column("right", list_of(pa.int8()), "1 for each test example classified rightly, else 0"),
    ),
)


def _shares(side: str) -> tuple[Column, ...]:
    """Return the columns that tell where in one side's singular vectors of the base the difference lies."""
    where = f"the base's {side} vectors, decile 1 (the smallest tenth) to 10"
    return (
        Column(f"{side}_shares", FLOAT64_LIST, f"share of the difference's energy in {where}"),
        Column(f"{side}_expected", FLOAT64_LIST, "mean of such shares for a difference of random orientation"),
        Column(f"{side}_low", FLOAT64_LIST, "2.5 % quantile of such shares, given the difference's singular values"),
        Column(f"{side}_high", FLOAT64_LIST, "97.5 % quantile"),
        Column(
            f"{side}_leading",
            FLOAT64_LIST,
            f"share of the difference's ten leading {side} vectors, each counted equally, in {where}",
        ),
        Column(f"{side}_leading_low", FLOAT64_LIST, "2.5 % quantile of those for vectors of random orientation"),
        Column(f"{side}_leading_high", FLOAT64_LIST, "97.5 % quantile"),
    )


COMPARISONS = Contract(
    "comparisons",
    1,
    "One row per matrix of two models of one shape: the spectrum of their difference, and where it lies in the base. "
    "Where nothing changed, shares are not numbers (NaN).",
    (
        Column("comparison", pa.string(), "the comparison's name in the configuration"),
        Column("base", pa.string(), "the model before"),
        Column("tuned", pa.string(), "the model after"),
        *KEY,
        *SHAPE,
        Column("relative_change", pa.float64(), "Frobenius norm of the difference over that of the base"),
        Column(
            "stable_rank",
            pa.float64(),
            "squared Frobenius norm of the difference over its squared largest singular value",
        ),
        Column("n_above", pa.int32(), "singular values of the difference above the calibrated bound"),
        Column("bound_upper", pa.float64(), "that bound"),
        Column("alignment", pa.float64(), "cosine between difference and base, taken as vectors of entries"),
        Column("singular_values", FLOAT64_LIST, "of the difference, largest first"),
        *(column for side in ("left", "right") for column in _shares(side)),
    ),
)
