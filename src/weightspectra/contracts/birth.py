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
    "One row per iteration, matrix and locator of one run: what random-matrix theory finds, beside the known memories.",
    (
        *RUN,
        ITERATION,
        Column("matrix", pa.string(), "output_2, key_2, key_1 or feed_forward: W_O^2, W_K^2, W_K^1, W_F"),
        Column("locator", pa.string(), "'blind' and 'weightwatcher' see the trained matrix alone, 'informed' also W_0"),
        Column("n_memories", pa.int32(), "memories that are stored here; 0 before any is"),
        Column("rank", pa.int32(), "smaller dimension of the two spaces that they span; 0 without memories"),
        Column("entry_std", pa.float64(), "scale of the noise that the locator fitted or, informed, knows"),
        Column("bound", pa.float64(), "singular values above it are located"),
        Column("n_located", pa.int32(), "singular values above the bound"),
        Column("n_true", pa.float64(), "of them, those in the memories' spaces; NaN if that cannot be told"),
        Column("n_false", pa.float64(), "of them, the others"),
        Column("n_learned", pa.int32(), "of them, those that the change made, memory or not, beyond chance"),
        Column("n_aligned", pa.float64(), "of them, those that pair inputs with outputs as memories do"),
        Column("precision", pa.float64(), "n_true over n_located; NaN if nothing is located"),
        Column("recall", pa.float64(), "n_true over the smaller of n_memories and rank, at most 1; NaN without"),
        Column("n_visible", pa.int32(), "values of the change that should show above the bound (BBP)"),
        Column(
            "position_error", pa.float64(), "median over located values of their ratio to where BBP puts them, minus 1"
        ),
        Column("overlap", pa.float64(), "mean share of located vectors in the span of as many of the change"),
        Column("overlap_expected", pa.float64(), "the same as BBP has it"),
        Column("kept", pa.float64(), "share of its initialisation that weight decay has left in the matrix"),
        Column("initial_slope", pa.float64(), "regression of the matrix on its initialisation"),
        Column("singular_values", FLOAT64_LIST, "of the trained matrix, largest first"),
        Column("change_values", FLOAT64_LIST, "of the change: trained matrix minus what is kept of the initial one"),
        Column("left_shares", FLOAT64_LIST, "for each left vector, its share in the memories' output space"),
        Column("left_chance", pa.float64(), "such a share of a random vector"),
        Column("right_shares", FLOAT64_LIST, "for each right vector, its share in the memories' input space"),
        Column("right_chance", pa.float64(), "such a share of a random vector"),
        Column("coefficients", FLOAT64_LIST, "strength of each memory in the change: of tokens, triggers or positions"),
        Column("coefficient_noise", pa.float64(), "root mean square of the coefficients that are no memory's"),
        Column("target_correlation", pa.float64(), "of all coefficients with those that the task stores"),
        Column("frequency_correlation", pa.float64(), "Spearman correlation of strengths and token frequencies"),
        Column("bulk_p_value", pa.float64(), "of the values within the bounds as noise (blind)"),
        Column("gap_ratio_p_value", pa.float64(), "of their spacings as those of noise (blind)"),
        Column("n_structured_vectors", pa.int32(), "left and right vectors unlike random ones; -1 if not blind"),
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
        Column("removed_energy", pa.float64(), "squared Frobenius norm of what goes, as a share of these matrices'"),
        Column("in_context_accuracy", pa.float64(), "on fresh sequences, the same for all cuts"),
        Column("accuracy_change", pa.float64(), "difference of in_context_accuracy to no cut"),
        Column("accuracy_change_error", pa.float64(), "its standard error, paired over sequences"),
        Column("global_loss", pa.float64(), "mean cross-entropy where the bigram rules, in nats"),
        Column("loss_change", pa.float64(), "difference of global_loss to no cut"),
        Column("loss_change_error", pa.float64(), "its standard error, paired over sequences"),
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
