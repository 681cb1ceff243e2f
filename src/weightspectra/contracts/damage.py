"""What removing singular values is predicted to do, and which directions matter more than their values say."""

import pyarrow as pa

from weightspectra.contracts.columns import KEY, MODEL, list_of
from weightspectra.contracts.contract import Column, Contract

PREDICTIONS = Contract(
    "predictions",
    1,
    "One row per matrix and decile: what its removal is predicted to do, from weights and activations alone.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus whose part to observe was run"),
        *KEY,
        Column("decile", pa.int16(), "the decile, 1 (smallest) to 10 (largest)"),
        Column("n_removed", pa.int32(), "singular values in it"),
        Column("n_tokens", pa.int64(), "tokens run forward and backward"),
        Column("weight_energy", pa.float64(), "sum of s_k^2 as a share of the matrix's"),
        Column(
            "centred_energy", pa.float64(), "sum of s_k^2 v_k' C v_k with the covariance C of the input, as a share"
        ),
        Column(
            "output_energy", pa.float64(), "sum of s_k^2 v_k' M v_k with the second moment M of the input, as a share"
        ),
        Column("first_order", pa.float64(), "change of the loss to first order, in nats per token"),
        Column("second_order", pa.float64(), "half the Fisher information of the removal, in nats per token"),
        Column("predicted", pa.float64(), "predicted increase of the loss in nats per token"),
    ),
)

DIRECTIONS = Contract(
    "directions",
    1,
    "One row per singular direction whose predicted damage surprises: what it reads, and at which tokens.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus whose part to observe was run"),
        *KEY,
        Column("index", pa.int32(), "rank of the singular value; 0 is the largest"),
        Column("n_values", pa.int32(), "singular values of the matrix"),
        Column("singular_value", pa.float64(), "the singular value"),
        Column("weight_energy", pa.float64(), "s_k^2 as a share of the matrix's"),
        Column("output_energy", pa.float64(), "s_k^2 v_k' M v_k as a share of the matrix's"),
        Column("predicted", pa.float64(), "predicted increase of the loss if it goes alone, in nats per token"),
        Column(
            "component", pa.int32(), "eigenvector of the input's second moment that it meets most; 0 is the largest"
        ),
        Column("overlap", pa.float64(), "|v_k . f_j| with that eigenvector"),
        Column("component_share", pa.float64(), "share of the input's second moment along that eigenvector"),
        Column("mean_share", pa.float64(), "share of the direction's squared activation that is its mean: a constant"),
        Column(
            "first_token_share",
            pa.float64(),
            "share of the direction's squared activation at first positions of windows",
        ),
        Column("peak", pa.float64(), "largest |v_k . x| over its root mean square"),
        Column("tokens", list_of(pa.string()), "the tokens at which |v_k . x| is largest, largest first"),
        Column("positions", list_of(pa.int32()), "their positions in their windows"),
    ),
)
