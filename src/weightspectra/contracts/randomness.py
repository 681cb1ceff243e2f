"""What random matrix theory says of singular values and vectors: bulk, levels, vector tests, tails, information."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, KEY, MATRIX, MODEL, SHAPE, SIDES, count, share, size
from weightspectra.contracts.contract import Column, Contract

ANY = {"nan": True, "infinite": True}
"""What is allowed of numbers that a division by zero may give."""

REGIONS = ("smallest tenth", "middle", "largest tenth")

NULLS = Contract(
    "nulls",
    1,
    "One row per shape and statistic: how the statistic of pure noise is distributed, by simulation.",
    (
        Column(
            "long_side",
            pa.int32(),
            "larger dimension of the noise matrix; number of components of a noise vector",
            minimum=1,
        ),
        Column("short_side", pa.int32(), "smaller dimension of the noise matrix; 1 for a noise vector", minimum=1),
        Column("statistic", pa.string(), "name of the statistic, for example 'bulk distance' or 'vector distance'"),
        size(
            "draws",
            "its value in each simulated draw, ascending; of 'participation tail', the values that noise exceeds with "
            "128 probabilities, which fall geometrically from 0.1 to 1e-20",
            FLOAT64_LIST,
        ),
    ),
    key=("long_side", "short_side", "statistic"),
)

PERMUTATIONS = Contract(
    "permutations",
    1,
    "One row per weight matrix: the extreme singular values after shuffling its entries.",
    (
        MODEL,
        *KEY,
        size("largest", "largest value after each shuffle, over the noise_std then fitted", FLOAT64_LIST, **ANY),
        size("smallest", "smallest value after each shuffle, over the noise_std then fitted", FLOAT64_LIST, **ANY),
    ),
    key=MATRIX,
    ordered=(("smallest", "largest"),),
)

BULK = Contract(
    "bulk",
    3,
    "One row per weight matrix: its Marchenko-Pastur law, and which singular values leave it. Values below the "
    "rounding floor are in no count but their own; where too many are, no law is fitted: its numbers are NaN, its "
    "counts 0.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column("aspect_ratio", pa.float64(), "q = long side / short side, >= 1", minimum=1),
        size("entry_std", "standard deviation of the noise entries, by median matching", nan=True),
        size("scale", "entry_std * sqrt(long side)", nan=True),
        size("edge_lower", "scale * (1 - q**-0.5)", nan=True),
        size("edge_upper", "scale * (1 + q**-0.5)", nan=True),
        Column("n_values", pa.int32(), "number of singular values", minimum=1),
        count("n_below", "values below edge_lower"),
        count("n_above", "values above edge_upper"),
        size("rounding_floor", "as in spectra"),
        count("n_below_floor", "values below rounding_floor, or zero"),
        Column("why", pa.string(), "why there is no law; empty where there is one"),
        size("initial_std", "1 / sqrt(short side): the scale of version 1 of arXiv 2410.17770"),
        count("n_below_initial", "values below the lower edge of noise of that scale"),
        count("n_above_initial", "values above the upper edge of noise of that scale"),
        share("level", "family-wise error level of the bounds, both ends together"),
        size("noise_std", "standard deviation of the noise entries, outliers left out of the fit", nan=True),
        count("noise_rank", "singular values that the fit left to the noise"),
        Column("converged", pa.bool_(), "whether the iteration of fit and outliers reached a fixed point"),
        size("bound_lower", "a matrix of noise alone has a smaller value with probability level / 2", nan=True),
        size("bound_upper", "a matrix of noise alone has a larger value with probability level / 2", nan=True),
        count("n_below_bound", "values below bound_lower"),
        count("n_above_bound", "values above bound_upper"),
        share(
            "p_below", "for each value: probability that the smallest one of noise is smaller", FLOAT64_LIST, nan=True
        ),
        share("p_above", "for each value: probability that the largest one of noise is larger", FLOAT64_LIST, nan=True),
        share("bulk_distance", "Kolmogorov-Smirnov distance of the values within the bounds to the law", nan=True),
        share("bulk_p_value", "of that distance, by simulation", nan=True),
        share("row_p_value", "that all rows have entries of one variance; NaN if all are equal", nan=True),
        share("column_p_value", "that all columns have entries of one variance; NaN if all are equal", nan=True),
        size("row_spread", "relative standard deviation of the rows' variances, beyond chance"),
        size("column_spread", "relative standard deviation of the columns' variances, beyond chance"),
        size("profile_bound_lower", "as bound_lower, for noise with this matrix's variance profile", nan=True),
        size("profile_bound_upper", "as bound_upper, for noise with this matrix's variance profile", nan=True),
        count("n_below_profile", "values below profile_bound_lower"),
        count("n_above_profile", "values above profile_bound_upper"),
        size("permutation_bound_lower", "as bound_lower, by shuffling; NaN if not asked for", nan=True),
        size("permutation_bound_upper", "as bound_upper, by shuffling; NaN if not asked for", nan=True, infinite=True),
        share("permutation_p_lower", "of the smallest value, by shuffling; NaN if not asked for", nan=True),
        share("permutation_p_upper", "of the largest value, by shuffling; NaN if not asked for", nan=True),
    ),
    key=MATRIX,
    ordered=(
        ("edge_lower", "edge_upper"),
        ("bound_lower", "bound_upper"),
        ("profile_bound_lower", "profile_bound_upper"),
        ("permutation_bound_lower", "permutation_bound_upper"),
        *((counted, "n_values") for counted in ("n_below", "n_above", "n_below_floor", "noise_rank")),
    ),
)

LEVELS = Contract(
    "levels",
    1,
    "One row per weight matrix and unfolding: how the singular values within the bounds are spaced.",
    (
        MODEL,
        *KEY,
        Column(
            "unfolding",
            pa.string(),
            "'replicate' or 'drop' (local, by Gaussian broadening), 'law' (global)",
            one_of=("replicate", "drop", "law"),
        ),
        count("n_levels", "unfolded singular values"),
        size("spacings", "distances of neighbouring unfolded values, ascending in the value", FLOAT64_LIST),
        share("spacing_distance", "Kolmogorov-Smirnov distance of the spacings to Wigner's surmise"),
        share("spacing_p_value", "of that distance, by simulation"),
        Column(
            "brody",
            pa.float64(),
            "exponent of Brody's distribution: 1 as for GOE, 0 for independent values",
            minimum=0,
            maximum=3,
        ),
        Column("brody_low", pa.float64(), "lower end of its 95 % bootstrap interval", minimum=0, maximum=3),
        Column("brody_high", pa.float64(), "upper end of its 95 % bootstrap interval", minimum=0, maximum=3),
        share("gap_ratio", "mean of the smaller over the larger of neighbouring spacings; GOE: 0.5307"),
        share("gap_ratio_p_value", "of its distance from its mean in pure noise, by simulation"),
        size("lengths", "lengths L of the intervals in which levels are counted", FLOAT64_LIST),
        size("number_variance", "variance of that number, for each length", FLOAT64_LIST),
        size("number_variance_null", "its mean in pure noise unfolded alike, by simulation", FLOAT64_LIST),
        size("number_variance_null_sd", "its standard deviation in pure noise unfolded alike", FLOAT64_LIST),
        size("number_variance_goe", "its value in the Gaussian orthogonal ensemble", FLOAT64_LIST),
    ),
    key=(*MATRIX, "unfolding"),
    ordered=(("brody_low", "brody_high"),),
)

VECTOR_TESTS = Contract(
    "vector_tests",
    1,
    "One row per singular vector above the rounding floor: whether its components could be those of a random "
    "direction. None of a matrix whose values are equal but for rounding, so that it has no vectors of its own.",
    (
        MODEL,
        *KEY,
        Column("side", pa.string(), "'left' (output) or 'right' (input)", one_of=SIDES),
        count("index", "rank of the singular value; 0 is the largest"),
        size("singular_value", "the singular value"),
        share("distance", "Kolmogorov-Smirnov distance of its components to a random direction's"),
        share("magnitude_distance", "the same of its components' magnitudes"),
        share("p_value", "of the larger of distance and 1.2 * magnitude_distance, by simulation"),
        share("window_p_value", "mean p-value over the neighbouring ranks (version 1, Eq. 4)"),
        share("q_value", "p_value adjusted by Benjamini and Hochberg over both sides of the matrix"),
        share("participation", "inverse participation ratio, the sum of the components' fourth powers"),
        share("participation_p_value", "that a random direction has as large a one, by simulation"),
        share("participation_q_value", "adjusted as q_value"),
    ),
    key=(*MATRIX, "side", "index"),
)

HEAD_TESTS = Contract(
    "head_tests",
    1,
    "One row per attention head and matrix: whether singular vectors prefer the head, and look random within it.",
    (
        MODEL,
        *KEY,
        Column(
            "side",
            pa.string(),
            "'left', or 'right' for attention_output: whose components belong to heads",
            one_of=SIDES,
        ),
        count("head", "head, counted from 0; of keys and values that heads share, the group", pa.int16()),
        Column("n_components", pa.int32(), "components of a vector that belong to the head", minimum=1),
        Column("n_vectors", pa.int32(), "singular vectors tested", minimum=1),
        count("n_concentrated", "vectors with too large a share in this head (Benjamini-Hochberg)"),
        count("n_nonrandom", "vectors whose part in this head is not a random direction there"),
        share("largest_share", "largest share of a vector's squared norm that lies in this head"),
        count("largest_index", "rank of the singular value of that vector"),
        share("smallest_p_value", "of the shares, over the matrix's vectors, not corrected"),
    ),
    key=(*MATRIX, "side", "head"),
    ordered=(("n_concentrated", "n_vectors"), ("n_nonrandom", "n_vectors"), ("largest_index", "n_vectors")),
)

TAILS = Contract(
    "tails",
    1,
    "One row per weight matrix: norms, ranks and power laws under the names that WeightWatcher gave them.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column(
            "alpha",
            pa.float64(),
            "exponent of the power law fitted to the eigenvalues' tail; NaN if none fits",
            minimum=1,
            nan=True,
        ),
        size("alpha_error", "its standard error", nan=True),
        size("xmin", "eigenvalue from which on the power law is fitted", nan=True),
        share("D", "Kolmogorov-Smirnov distance of the tail to the power law", nan=True),
        count("num_pl_spikes", "eigenvalues in that tail"),
        Column("alpha_weighted", pa.float64(), "alpha * log10(lambda_max)", nan=True),
        Column("log_alpha_norm", pa.float64(), "log10 of the sum of eigenvalues to the power alpha", nan=True),
        Column(
            "hill",
            pa.float64(),
            "Hill's estimate of the exponent from the largest tenth of the eigenvalues",
            minimum=1,
            nan=True,
        ),
        size("hill_error", "its standard error", nan=True),
        Column(
            "hill_local",
            FLOAT64_LIST,
            "Hill's estimate in each tenth of the eigenvalues, largest first",
            minimum=1,
            nan=True,
        ),
        size("lambda_max", "largest eigenvalue: square of the largest singular value"),
        size("norm", "sum of the eigenvalues: squared Frobenius norm"),
        Column("log_norm", pa.float64(), "log10(norm)", infinite=True),
        size("spectral_norm", "largest eigenvalue, under WeightWatcher's name"),
        Column("log_spectral_norm", pa.float64(), "log10(spectral_norm)", infinite=True),
        Column("stable_rank", pa.float64(), "norm / lambda_max", minimum=1, nan=True),
        count("matrix_rank", "number of singular values above the rounding floor"),
        share("entropy", "entropy of the eigenvalues' shares, over log of the rank: 0 to 1", nan=True),
        Column(
            "entropy_rank",
            pa.float64(),
            "exp of that entropy, not normalised: effective number of directions",
            minimum=1,
            nan=True,
        ),
        size("sigma_mp", "noise_std / root mean square of the entries", nan=True),
        size("mp_softrank", "upper edge of the bulk / lambda_max, both as eigenvalues", nan=True),
        count("num_spikes", "eigenvalues above the calibrated upper bound"),
        share("energy_above", "share of the norm in values above bound_upper", nan=True),
        share("energy_below", "share of the norm in values below bound_lower", nan=True),
    ),
    key=MATRIX,
)

CLEANING = Contract(
    "cleaning",
    2,
    "One row per weight matrix: where noise ends, and what the singular values would be without it.",
    (
        MODEL,
        *KEY,
        count("boundary_upper", "leading singular directions that the vector tests find informative"),
        count("boundary_lower", "trailing singular directions that the vector tests find informative"),
        size(
            "filtered_values",
            "values beyond the upper boundary removed, others without repulsion; NaN without a law",
            FLOAT64_LIST,
            nan=True,
        ),
        size(
            "shrunk_values",
            "values after optimal shrinkage for the Frobenius loss; NaN without a law",
            FLOAT64_LIST,
            nan=True,
        ),
        share("filtered_energy", "sum of filtered_values squared / sum of singular_values squared", nan=True),
        share("shrunk_energy", "sum of shrunk_values squared / sum of singular_values squared", nan=True),
    ),
    key=MATRIX,
)

INFORMATION = Contract(
    "information",
    1,
    "One row per weight matrix and region of its spectrum: the share of directions that noise does not explain.",
    (
        MODEL,
        *KEY,
        Column("region", pa.string(), "which of the singular values", one_of=REGIONS),
        count("n_directions", "singular values in the region that lie above the rounding floor"),
        count("n_outliers", "of these, values beyond the calibrated bounds"),
        Column(
            "information",
            pa.float64(),
            "share of directions not explained by noise; 0 for noise, up to chance; NaN if there are none",
            minimum=-1,
            maximum=1,
            nan=True,
        ),
        Column("information_low", pa.float64(), "lower end of its 95 % interval", minimum=-1, maximum=1, nan=True),
        Column("information_high", pa.float64(), "upper end of its 95 % interval", minimum=-1, maximum=1, nan=True),
    ),
    key=(*MATRIX, "region"),
    ordered=(("information_low", "information", "information_high"), ("n_outliers", "n_directions")),
)
