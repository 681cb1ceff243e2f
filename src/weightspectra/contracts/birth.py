"""Transformers trained on the bigram task: characters, checkpoints, what was learned, and what is located in them."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, FLOAT64_LIST, list_of
from weightspectra.contracts.contract import Column, Contract

RUN = (
    Column("birth", pa.string(), "the training's name in the configuration"),
    Column("seed", pa.int64(), "seed of the run"),
)
ITERATION = Column("iteration", pa.int32(), "training steps made; 0 is the random initialisation")

CHARACTERS = Contract(
    "characters",
    1,
    "How often each character of a text occurs, and what follows it: the statistics of the bigram task.",
    (
        Column("token", pa.int16(), "number of the character, in the order of code points"),
        Column("character", pa.string(), "the character"),
        Column("count", pa.int64(), "occurrences in the text"),
        Column("followers", list_of(pa.int64()), "for each token, how often it comes next"),
    ),
)

CHECKPOINTS = Contract(
    "checkpoints",
    1,
    "Parameters of one run at chosen iterations, with the state of the optimiser: training can go on from any. "
    "Those that are never trained stand at iteration 0 only.",
    (
        *RUN,
        Column("config", pa.string(), "the model's configuration, as its config.json holds it"),
        ITERATION,
        Column("parameter", pa.string(), "name of the parameter in the model"),
        Column("trained", pa.bool_(), "whether the run ever trains it"),
        Column("shape", list_of(pa.int32()), "its shape"),
        Column("values", FLOAT32_LIST, "its entries in row order"),
        Column("momentum", FLOAT32_LIST, "the optimiser's running mean of gradients; empty if it has none"),
        Column("second_moment", FLOAT32_LIST, "AdamW's running mean of squared gradients; empty if there is none"),
    ),
)

LEARNING = Contract(
    "learning",
    1,
    "One row per iteration of one run: the loss on the fresh batch before its update.",
    (
        *RUN,
        ITERATION,
        Column("loss", pa.float64(), "mean cross-entropy over the scored positions, in nats"),
        Column("accuracy", pa.float64(), "share of the scored positions predicted rightly"),
        Column("n_scored", pa.int64(), "scored positions of the batch"),
    ),
)

PROBES = Contract(
    "probes",
    1,
    "One row per iteration and probe of one run: what it can do, and which memories its weights hold.",
    (
        *RUN,
        ITERATION,
        Column("probe", pa.string(), "name of the probe (docs/methods-birth.md)"),
        Column("outputs", pa.string(), "test outputs: uniform or bigram; '' for those of the training or none"),
        Column("layer", pa.int16(), "layer whose attention is probed, counted from 0; -1 if none is"),
        Column("head", pa.int16(), "its head, counted from 0: the best one, where there are several; -1 if none is"),
        Column("value", pa.float64(), "what was found"),
        Column("standard_error", pa.float64(), "over sequences; NaN for probes of weights alone"),
        Column("chance", pa.float64(), "value expected of random weights; NaN where unknown"),
        Column("n", pa.int64(), "positions, or memories, that were tested"),
    ),
)

ATTENTION_MAPS = Contract(
    "attention_maps",
    1,
    "One row per layer, head and position of one example sequence: where the trained model looks.",
    (
        *RUN,
        ITERATION,
        Column("layer", pa.int16(), "layer, counted from 0"),
        Column("head", pa.int16(), "head, counted from 0"),
        Column("position", pa.int16(), "position that looks, counted from 0"),
        Column("character", pa.string(), "the character there"),
        Column("occurrence", pa.int16(), "running number of a trigger at this position; 0 if it is none"),
        Column("weights", FLOAT32_LIST, "attention paid to each position up to this one"),
    ),
)

LOCATIONS = Contract(
    "locations",
    1,
    "One row per iteration and matrix of one run: what the random-matrix locator finds, beside the memories it should.",
    (
        *RUN,
        ITERATION,
        Column("matrix", pa.string(), "output_2, key_2, key_1 or feed_forward: W_O^2, W_K^2, W_K^1, W_F"),
        Column("locator", pa.string(), "'blind' sees the trained matrix alone, 'informed' also its initialisation"),
        Column("n_memories", pa.int32(), "memories that the task stores in the matrix; 0 before anything is stored"),
        Column("rank", pa.int32(), "dimension of the space that they span"),
        Column("entry_std", pa.float64(), "scale of the noise that the locator fitted (blind) or knows (informed)"),
        Column("bound", pa.float64(), "singular values above it are located"),
        Column("n_located", pa.int32(), "singular values above the bound"),
        Column("n_true", pa.int32(), "of them, those whose vectors lie in the memories' space beyond chance"),
        Column("n_false", pa.int32(), "of them, the others"),
        Column("precision", pa.float64(), "n_true over n_located; NaN if nothing is located"),
        Column("recall", pa.float64(), "n_true over the smaller of n_memories and rank; NaN if there is none"),
        Column("n_visible", pa.int32(), "values of the change that should show above the bound (BBP)"),
        Column("n_spikes", pa.int32(), "values that WeightWatcher's rule calls spikes"),
        Column("singular_values", FLOAT64_LIST, "of the trained matrix, largest first"),
        Column("change_values", FLOAT64_LIST, "singular values of trained minus initial matrix, largest first"),
        Column("left_shares", FLOAT64_LIST, "for each leading left vector, its share in the memories' output space"),
        Column("left_chance", pa.float64(), "such a share of a random vector"),
        Column("right_shares", FLOAT64_LIST, "for each leading right vector, its share in the memories' input space"),
        Column("right_chance", pa.float64(), "such a share of a random vector"),
        Column("coefficients", FLOAT64_LIST, "strength of each memory in the change, in the order of the tokens"),
        Column("coefficient_noise", pa.float64(), "root mean square of the coefficients of pairs that are no memory"),
        Column("frequency_correlation", pa.float64(), "Spearman correlation of strengths and token frequencies"),
    ),
)

KNOCKOUTS = Contract(
    "knockouts",
    1,
    "One row per cut of trained matrices of one run: what keeping or removing located values does.",
    (
        *RUN,
        ITERATION,
        Column("matrix", pa.string(), "as in locations, or 'all' for all of them together; '' for none"),
        Column("cut", pa.string(), "'none', 'keep_located', 'remove_located', 'keep_largest' or 'remove_smallest'"),
        Column("n_values", pa.int32(), "singular values kept or removed, over all matrices"),
        Column("in_context_accuracy", pa.float64(), "on fresh sequences, the same for all cuts"),
        Column("global_loss", pa.float64(), "mean cross-entropy where the bigram rules, in nats"),
        Column("accuracy_change", pa.float64(), "difference of in_context_accuracy to no cut"),
        Column("accuracy_change_error", pa.float64(), "its standard error, paired over sequences"),
        Column("n_sequences", pa.int32(), "sequences"),
    ),
)

SIMULATIONS = Contract(
    "simulations",
    1,
    "One row per seed and setting: sums of outer products and single gradient steps, beside what theory says.",
    (
        Column("simulation", pa.string(), "'superposition', 'spectrum', 'one_step' or 'three_steps'"),
        Column("dimension", pa.int32(), "dimension of the embeddings"),
        Column("n_tokens", pa.int32(), "tokens, or memories"),
        Column("variant", pa.string(), "what else distinguishes the setting; '' if nothing does"),
        Column("seed", pa.int64(), "number of the draw"),
        Column("quantity", pa.string(), "what was measured"),
        Column("value", pa.float64(), "what was found"),
        Column("expected", pa.float64(), "what theory says; NaN if it says nothing"),
    ),
)
