"""What removing singular values does to a model, and what is predicted of it."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, KEY, MODEL, list_of
from weightspectra.contracts.contract import Column, Contract

EVALUATIONS = Contract(
    "evaluations",
    2,
    "One row per cut and metric: what removing these singular values does. The first cut removes nothing.",
    (
        MODEL,
        Column("experiment", pa.string(), "the experiment's name in the configuration"),
        Column("cut", pa.string(), "label of the cut, unique in the experiment; 'none' is the untouched model"),
        Column("control_of", pa.string(), "label of the cut that this one is a matched control of; '' if it is none"),
        Column("scope", pa.string(), "how matrices were grouped into cuts: role, layer, matrix, head, all (or none)"),
        Column("removed", pa.string(), "which singular values: 'decile 1', 'indices 0-15', 'below', ..., 'none'"),
        Column("decile", pa.int16(), "the decile removed, 1 (smallest) to 10 (largest); 0 if the cut is none"),
        Column("roles", list_of(pa.string()), "roles touched"),
        Column("layers", list_of(pa.int16()), "layers touched"),
        Column("n_removed", pa.int32(), "singular values removed, over all matrices touched"),
        Column("removed_energy", pa.float64(), "share of the touched matrices' squared Frobenius norm removed"),
        Column("kept_parameters", pa.float64(), "parameters of the touched matrices, factorised where that is smaller"),
        Column("metric", pa.string(), "name of the metric, for example 'perplexity_per_token' or 'movies/acc'"),
        Column("statistic", pa.string(), "how the units give the value: see weightspectra.ablation.statistics"),
        Column("higher_is_better", pa.bool_(), "whether a larger value is a better model"),
        Column("value", pa.float64(), "the metric"),
        Column("standard_error", pa.float64(), "its standard error over units"),
        Column("difference", pa.float64(), "value minus that of the untouched model"),
        Column("difference_se", pa.float64(), "standard error of the difference, paired over units"),
        Column("difference_low", pa.float64(), "lower end of its 95 % bootstrap interval, paired over units"),
        Column("difference_high", pa.float64(), "upper end"),
        Column("p_value", pa.float64(), "two-sided paired test of no difference to the untouched model"),
        Column("q_value", pa.float64(), "the same corrected over the cuts of the experiment (this metric)"),
        Column("unit", pa.string(), "what is independent: 'document' or 'item'"),
        Column("n_scored", pa.int64(), "tokens, words, bytes or items scored: the sum of the units' weights"),
        Column("units", list_of(pa.string()), "names of the units"),
        Column("unit_values", FLOAT64_LIST, "what each contributes: negative log-likelihood in nats, or a score"),
        Column("unit_weights", FLOAT64_LIST, "its weight: tokens, words or bytes; 1 for a score; the class for an AUC"),
    ),
)

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
