"""What random matrix theory says of singular values and vectors: bulk, levels, vector tests, tails, information."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, KEY, MODEL, SHAPE
from weightspectra.contracts.contract import Column, Contract

NULLS = Contract(
    "nulls",
    1,
    "One row per shape and statistic: how the statistic of pure noise is distributed, by simulation.",
    (
        Column("long_side", pa.int32(), "larger dimension of the noise matrix; number of components of a noise vector"),
        Column("short_side", pa.int32(), "smaller dimension of the noise matrix; 1 for a noise vector"),
        Column("statistic", pa.string(), "name of the statistic, for example 'bulk distance' or 'vector distance'"),
        Column(
            "draws",
            FLOAT64_LIST,
            "its value in each simulated draw, ascending; of 'participation tail', the values that noise exceeds with "
            "128 probabilities, which fall geometrically from 0.1 to 1e-20",
        ),
    ),
)

PERMUTATIONS = Contract(
    "permutations",
    1,
    "One row per weight matrix: the extreme singular values after shuffling its entries.",
    (
        MODEL,
        *KEY,
        Column("largest", FLOAT64_LIST, "largest singular value after each shuffle, over the noise_std then fitted"),
        Column("smallest", FLOAT64_LIST, "smallest singular value after each shuffle, over the noise_std then fitted"),
    ),
)

BULK = Contract(
    "bulk",
    2,
    "One row per weight matrix: its Marchenko-Pastur law, and which singular values leave it.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column("aspect_ratio", pa.float64(), "q = long side / short side, >= 1"),
        Column("entry_std", pa.float64(), "standard deviation of the noise entries, by median matching"),
        Column("scale", pa.float64(), "entry_std * sqrt(long side)"),
        Column("edge_lower", pa.float64(), "scale * (1 - q**-0.5)"),
        Column("edge_upper", pa.float64(), "scale * (1 + q**-0.5)"),
        Column("n_values", pa.int32(), "number of singular values"),
        Column("n_below", pa.int32(), "values below edge_lower"),
        Column("n_above", pa.int32(), "values above edge_upper"),
        Column("rounding_floor", pa.float64(), "as in spectra"),
        Column("n_below_floor", pa.int32(), "values below rounding_floor"),
        Column("initial_std", pa.float64(), "1 / sqrt(short side): the scale of version 1 of arXiv 2410.17770"),
        Column("n_below_initial", pa.int32(), "values below the lower edge of noise of that scale"),
        Column("n_above_initial", pa.int32(), "values above the upper edge of noise of that scale"),
        Column("level", pa.float64(), "family-wise error level of the bounds, both ends together"),
        Column("noise_std", pa.float64(), "standard deviation of the noise entries, outliers left out of the fit"),
        Column("noise_rank", pa.int32(), "singular values that the fit left to the noise"),
        Column("converged", pa.bool_(), "whether the iteration of fit and outliers reached a fixed point"),
        Column("bound_lower", pa.float64(), "a matrix of noise alone has a smaller value with probability level / 2"),
        Column("bound_upper", pa.float64(), "a matrix of noise alone has a larger value with probability level / 2"),
        Column("n_below_bound", pa.int32(), "values below bound_lower"),
        Column("n_above_bound", pa.int32(), "values above bound_upper"),
        Column("p_below", FLOAT64_LIST, "for each value: probability that the smallest one of noise is smaller"),
        Column("p_above", FLOAT64_LIST, "for each value: probability that the largest one of noise is larger"),
        Column("bulk_distance", pa.float64(), "Kolmogorov-Smirnov distance of the values within the bounds to the law"),
        Column("bulk_p_value", pa.float64(), "of that distance, by simulation"),
        Column("row_p_value", pa.float64(), "that all rows have entries of one variance"),
        Column("column_p_value", pa.float64(), "that all columns have entries of one variance"),
        Column("row_spread", pa.float64(), "relative standard deviation of the rows' variances, beyond chance"),
        Column("column_spread", pa.float64(), "relative standard deviation of the columns' variances, beyond chance"),
        Column("profile_bound_lower", pa.float64(), "as bound_lower, for noise with this matrix's variance profile"),
        Column("profile_bound_upper", pa.float64(), "as bound_upper, for noise with this matrix's variance profile"),
        Column("n_below_profile", pa.int32(), "values below profile_bound_lower"),
        Column("n_above_profile", pa.int32(), "values above profile_bound_upper"),
        Column("permutation_bound_lower", pa.float64(), "as bound_lower, by shuffling; NaN if not asked for"),
        Column("permutation_bound_upper", pa.float64(), "as bound_upper, by shuffling; NaN if not asked for"),
        Column("permutation_p_lower", pa.float64(), "of the smallest value, by shuffling; NaN if not asked for"),
        Column("permutation_p_upper", pa.float64(), "of the largest value, by shuffling; NaN if not asked for"),
    ),
)

LEVELS = Contract(
    "levels",
    1,
    "One row per weight matrix and unfolding: how the singular values within the bounds are spaced.",
    (
        MODEL,
        *KEY,
        Column("unfolding", pa.string(), "'replicate' or 'drop' (local, by Gaussian broadening), 'law' (global)"),
        Column("n_levels", pa.int32(), "unfolded singular values"),
        Column("spacings", FLOAT64_LIST, "distances of neighbouring unfolded values, ascending in the value"),
        Column("spacing_distance", pa.float64(), "Kolmogorov-Smirnov distance of the spacings to Wigner's surmise"),
        Column("spacing_p_value", pa.float64(), "of that distance, by simulation"),
        Column("brody", pa.float64(), "exponent of Brody's distribution: 1 as for GOE, 0 for independent values"),
        Column("brody_low", pa.float64(), "lower end of its 95 % bootstrap interval"),
        Column("brody_high", pa.float64(), "upper end of its 95 % bootstrap interval"),
        Column("gap_ratio", pa.float64(), "mean of the smaller over the larger of neighbouring spacings; GOE: 0.5307"),
        Column("gap_ratio_p_value", pa.float64(), "of its distance from its mean in pure noise, by simulation"),
        Column("lengths", FLOAT64_LIST, "lengths L of the intervals in which levels are counted"),
        Column("number_variance", FLOAT64_LIST, "variance of that number, for each length"),
        Column("number_variance_null", FLOAT64_LIST, "its mean in pure noise unfolded alike, by simulation"),
        Column("number_variance_null_sd", FLOAT64_LIST, "its standard deviation in pure noise unfolded alike"),
        Column("number_variance_goe", FLOAT64_LIST, "its value in the Gaussian orthogonal ensemble"),
    ),
)

VECTOR_TESTS = Contract(
    "vector_tests",
    1,
    "One row per singular vector: whether its components could be those of a random direction.",
    (
        MODEL,
        *KEY,
        Column("side", pa.string(), "'left' (output) or 'right' (input)"),
        Column("index", pa.int32(), "rank of the singular value; 0 is the largest"),
        Column("singular_value", pa.float64(), "the singular value"),
        Column("distance", pa.float64(), "Kolmogorov-Smirnov distance of its components to a random direction's"),
        Column("magnitude_distance", pa.float64(), "the same of its components' magnitudes"),
        Column("p_value", pa.float64(), "of the larger of distance and 1.2 * magnitude_distance, by simulation"),
        Column("window_p_value", pa.float64(), "mean p-value over the neighbouring ranks (version 1, Eq. 4)"),
        Column("q_value", pa.float64(), "p_value adjusted by Benjamini and Hochberg over both sides of the matrix"),
        Column("participation", pa.float64(), "inverse participation ratio, the sum of the components' fourth powers"),
        Column("participation_p_value", pa.float64(), "that a random direction has as large a one, by simulation"),
        Column("participation_q_value", pa.float64(), "adjusted as q_value"),
    ),
)

HEAD_TESTS = Contract(
    "head_tests",
    1,
    "One row per attention head and matrix: whether singular vectors prefer the head, and look random within it.",
    (
        MODEL,
        *KEY,
        Column("side", pa.string(), "'left', or 'right' for attention_output: whose components belong to heads"),
        Column("head", pa.int16(), "head, counted from 0; of keys and values that heads share, the group"),
        Column("n_components", pa.int32(), "components of a vector that belong to the head"),
        Column("n_vectors", pa.int32(), "singular vectors tested"),
        Column("n_concentrated", pa.int32(), "vectors with too large a share in this head (Benjamini-Hochberg)"),
        Column("n_nonrandom", pa.int32(), "vectors whose part in this head is not a random direction there"),
        Column("largest_share", pa.float64(), "largest share of a vector's squared norm that lies in this head"),
        Column("largest_index", pa.int32(), "rank of the singular value of that vector"),
        Column("smallest_p_value", pa.float64(), "of the shares, over the matrix's vectors, not corrected"),
    ),
)

TAILS = Contract(
    "tails",
    1,
    "One row per weight matrix: norms, ranks and power laws under the names that WeightWatcher gave them.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column("alpha", pa.float64(), "exponent of the power law fitted to the eigenvalues' tail; NaN if none fits"),
        Column("alpha_error", pa.float64(), "its standard error"),
        Column("xmin", pa.float64(), "eigenvalue from which on the power law is fitted"),
        Column("D", pa.float64(), "Kolmogorov-Smirnov distance of the tail to the power law"),
        Column("num_pl_spikes", pa.int32(), "eigenvalues in that tail"),
        Column("alpha_weighted", pa.float64(), "alpha * log10(lambda_max)"),
        Column("log_alpha_norm", pa.float64(), "log10 of the sum of eigenvalues to the power alpha"),
        Column("hill", pa.float64(), "Hill's estimate of the exponent from the largest tenth of the eigenvalues"),
        Column("hill_error", pa.float64(), "its standard error"),
        Column("hill_local", FLOAT64_LIST, "Hill's estimate in each tenth of the eigenvalues, largest first"),
        Column("lambda_max", pa.float64(), "largest eigenvalue: square of the largest singular value"),
        Column("norm", pa.float64(), "sum of the eigenvalues: squared Frobenius norm"),
        Column("log_norm", pa.float64(), "log10(norm)"),
        Column("spectral_norm", pa.float64(), "largest eigenvalue, under WeightWatcher's name"),
        Column("log_spectral_norm", pa.float64(), "log10(spectral_norm)"),
        Column("stable_rank", pa.float64(), "norm / lambda_max"),
        Column("matrix_rank", pa.int32(), "number of singular values above rounding"),
        Column("entropy", pa.float64(), "entropy of the eigenvalues' shares, over log of the rank: 0 to 1"),
        Column("entropy_rank", pa.float64(), "exp of that entropy, not normalised: effective number of directions"),
        Column("sigma_mp", pa.float64(), "noise_std / root mean square of the entries"),
        Column("mp_softrank", pa.float64(), "upper edge of the bulk / lambda_max, both as eigenvalues"),
        Column("num_spikes", pa.int32(), "eigenvalues above the calibrated upper bound"),
        Column("energy_above", pa.float64(), "share of the norm in values above bound_upper"),
        Column("energy_below", pa.float64(), "share of the norm in values below bound_lower"),
    ),
)

CLEANING = Contract(
    "cleaning",
    1,
    "One row per weight matrix: where noise ends, and what the singular values would be without it.",
    (
        MODEL,
        *KEY,
        Column("boundary_upper", pa.int32(), "leading singular directions that the vector tests find informative"),
        Column("boundary_lower", pa.int32(), "trailing singular directions that the vector tests find informative"),
        Column("filtered_values", FLOAT64_LIST, "values beyond the upper boundary removed, others without repulsion"),
        Column("shrunk_values", FLOAT64_LIST, "values after optimal shrinkage for the Frobenius loss"),
        Column("filtered_energy", pa.float64(), "sum of filtered_values squared / sum of singular_values squared"),
        Column("shrunk_energy", pa.float64(), "sum of shrunk_values squared / sum of singular_values squared"),
    ),
)

INFORMATION = Contract(
    "information",
    1,
    "One row per weight matrix and region of its spectrum: the share of directions that noise does not explain.",
    (
        MODEL,
        *KEY,
        Column("region", pa.string(), "'smallest tenth', 'middle' or 'largest tenth' of the singular values"),
        Column("n_directions", pa.int32(), "singular values in the region"),
        Column("n_outliers", pa.int32(), "of these, values beyond the calibrated bounds"),
        Column("information", pa.float64(), "share of directions not explained by noise; 0 for noise, up to chance"),
        Column("information_low", pa.float64(), "lower end of its 95 % interval"),
        Column("information_high", pa.float64(), "upper end of its 95 % interval"),
    ),
)
