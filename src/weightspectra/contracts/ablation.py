"""The tasks that a model is asked, and what removing singular values does to what it can do."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, MODEL, list_of
from weightspectra.contracts.contract import Column, Contract

TASKS = Contract(
    "tasks",
    1,
    "One row per lm-eval task that an entry of the configuration stands for, resolved and with its data at hand.",
    (
        Column("task", pa.string(), "the task's name in the configuration"),
        Column("name", pa.string(), "the task's name in lm-eval"),
        Column("version", pa.string(), "its version there"),
        Column("output_type", pa.string(), "multiple_choice, loglikelihood, loglikelihood_rolling or generate_until"),
        Column("metrics", list_of(pa.string()), "the metrics it reports"),
        Column("n_documents", pa.int64(), "documents evaluated"),
        Column("data", pa.string(), "where the data came from"),
        Column("file", pa.string(), "the resolved task's file, relative to the folder beside this one"),
        Column("sha256", pa.string(), "digest of the resolved task and its data"),
    ),
)

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
        Column("statistic", pa.string(), "how the units give the value: see weightspectra.statistics.paired"),
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
