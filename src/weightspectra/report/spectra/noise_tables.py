"""The tables of what noise explains and what it does not, each number beside that of the random control."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.random_controls import control_of, models
from weightspectra.contracts import KEY_COLUMNS
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import KEY, Measurements
from weightspectra.report.kit.table import Block, Table, by_model
from weightspectra.report.kit.wording import NOTHING, ROLE_TITLES, percent
from weightspectra.report.spectra import noise_summaries, summaries
from weightspectra.report.spectra.noise_summaries import REGIONS

BESIDE = f"In brackets: the model's random control ({NOTHING}: none was configured)."

WEIGHTWATCHER_NAMES = {"alpha_error": "sigma"}
"""From the columns of ``contracts.TAILS`` to WeightWatcher's, where they differ."""

TAILS_SHOWN = (
    *("alpha", "sigma", "D", "num_pl_spikes", "xmin", "alpha_weighted", "log_alpha_norm", "hill"),
    *("log_norm", "log_spectral_norm", "stable_rank", "matrix_rank", "entropy", "entropy_rank"),
    *("sigma_mp", "mp_softrank", "num_spikes", "energy_above", "energy_below"),
)


def randomness(data: Measurements) -> Table:
    """Tabulate by role what leaves the law of noise: values at both ends, bulks, vectors, heads and spacings."""
    counts = noise_summaries.by_role(data)
    blocks = []
    for model, rows, random in _beside_control(counts, data):
        cells = {name: _cells(rows, random, spell) for name, spell in _QUANTITIES.items()}
        blocks.append(Block(data.titles[model], "Quantity", _by_role_columns(cells, rows)))
    level = 100 * float(data.bulk["level"].iloc[0])
    notes = [
        BESIDE,
        "Values: numbers of singular values in all matrices of the role; those below the rounding floor are in no "
        f"other line, nor are matrices that have too many of them for a law ({NOTHING}: all of them). Asymptotic "
        "edges: of the Marchenko-Pastur law fitted to the median; one random matrix in four has a value outside. "
        "Calibrated bounds: of noise of this size "
        f"(Tracy-Widom and hard-edge laws), its scale fitted without the outliers; {level:g} % of random matrices have "
        "any value beyond either bound. Where outliers are many they widen the fit to the median, and the calibrated "
        "bounds lie inside the asymptotic edges. Profile bounds: the same for noise whose rows and columns have the "
        "variances of this matrix's; what lies beyond the calibrated bounds but not beyond these is explained by them.",
        f"Bulk fits: share of matrices whose values within the bounds follow the law (p of at least {level:g} %, by "
        f"simulation); of random ones {100 - level:g} % do.",
        "Non-random vectors: singular vectors whose components are not those of a random direction; localised: whose "
        "weight lies in few components. Benjamini-Hochberg over both sides of each matrix: of the vectors so called, "
        f"{level:g} % are expected to be false, and in a random matrix there are almost none. Concentrated in a "
        "head: of all pairs of a vector and an attention head, those in which the vector has a larger share of its "
        "weight in the head than a random direction would (same control).",
        f"Spacings differ: share of matrices whose level spacings are not those of noise ({level:g} % at random). "
        "Brody: mean exponent of the spacings' distribution, 1 for noise (levels repel), 0 for independent levels.",
    ]
    title = "What noise does not explain, by role"
    return Table("randomness", title, counts, blocks, notes, data.notices)


def information(data: Measurements) -> Table:
    """Tabulate the information map: the share of directions that noise does not explain, by layer and role."""
    layers = noise_summaries.information_by_layer(data.information)
    blocks = []
    for model, of_model, random in _beside_control(layers, data):
        for region in REGIONS:
            rows, control = (found[found["region"] == region] for found in (of_model, random))
            heading = f"{data.titles[model]}: {region} of the singular values"
            blocks.append(Block(heading, "Layer", _map_cells(rows, control)))
    notes = [
        "Per cent of the directions (singular values with their vectors) in the region that noise does not explain, "
        "and its 95 % interval; 0 for noise, less by chance. The regions are tenths of each matrix's singular values, "
        "and all between.",
        "All: mean over the layers. At random: the mean of the model's random control "
        f"({NOTHING}: none was configured).",
    ]
    if (data.information["expert"] > 0).any():
        notes.append("Layers with experts: means over all experts, also of the intervals' ends.")
    title = "Information map: directions that noise does not explain"
    return Table("information", title, _one_matrix_a_row(data), blocks, notes, data.notices)


def tails(data: Measurements) -> Table:
    """Tabulate norms, ranks and power laws under the names that WeightWatcher gave them."""
    rows = data.tails.rename(columns=WEIGHTWATCHER_NAMES)
    means = rows.groupby(["model", "role"])[list(TAILS_SHOWN)].mean().reset_index()
    blocks = [
        Block(
            data.titles[model],
            "Mean over layers",
            _by_role_columns({name: _cells(found, random, _mean_of(name)) for name in TAILS_SHOWN}, found),
        )
        for model, found, random in _beside_control(means, data)
    ]
    notes = [
        BESIDE,
        "Names and meanings are WeightWatcher's; eigenvalues are squared singular values, logarithms are to base 10. "
        "alpha: exponent of the power law fitted to the eigenvalues from xmin on, with standard error sigma and "
        "Kolmogorov-Smirnov distance D; a random matrix has an alpha too, so compare it with the control's.",
        "hill: Hill's estimate from the largest tenth of the eigenvalues. entropy_rank: exp of the entropy of the "
        "eigenvalues' shares. num_spikes: eigenvalues above the calibrated upper bound. energy_above, energy_below: "
        "shares of the squared norm in values beyond the calibrated bounds. These are not in WeightWatcher, or by "
        "another bound there.",
        "Means leave out matrices to which no power law could be fitted.",
    ]
    title = "Norms, ranks and power laws, under WeightWatcher's names"
    return Table("tails", title, _as_weightwatcher(rows, data), blocks, notes, data.notices)


def _beside_control(rows: pd.DataFrame, data: Measurements) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Return for each model that is no random control its rows and those of its own; of such a control alone, its own.

    A structure-keeping control stands for itself, beside nothing.
    """
    shown = [model for model in models(data.titles, data.controls) if model in set(rows["model"])]
    return [
        (model, found, rows[rows["model"] == control_of(model, data.controls)])
        for model, found in by_model(rows, data.titles)
        if model in (shown or data.titles)
    ]


def _share(part: str, whole: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: percent(row[part] / row[whole]) if row[whole] else NOTHING


def _count(name: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: f"{int(row[name]):,}"


def _outside(name: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: f"{int(row[name]):,}" if row["n_with_law"] else NOTHING


def _mean_of(name: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: _number(row[name])


_QUANTITIES: dict[str, Callable[[Mapping[Any, Any]], str]] = {
    "Values": _count("n_values"),
    "Above the asymptotic edge": _outside("n_above"),
    "Above the calibrated bound": _outside("n_above_bound"),
    "Above the profile bound": _outside("n_above_profile"),
    "Below the asymptotic edge": _outside("n_below"),
    "Below the calibrated bound": _outside("n_below_bound"),
    "Below the profile bound": _outside("n_below_profile"),
    "Bulk fits, % of matrices": lambda row: percent(row["share_bulk_fits"]),
    "Non-random left vectors, %": _share("n_left_nonrandom", "n_left"),
    "Non-random right vectors, %": _share("n_right_nonrandom", "n_right"),
    "Localised left vectors, %": _share("n_left_localised", "n_left"),
    "Localised right vectors, %": _share("n_right_localised", "n_right"),
    "Concentrated in a head, % of pairs": _share("n_head_pairs_concentrated", "n_head_pairs"),
    "Spacings differ, % of matrices": lambda row: percent(row["share_spacings_differ"]),
    "Brody exponent, mean": lambda row: _number(row["brody"]),
}


def _cells(rows: pd.DataFrame, random: pd.DataFrame, spell: Callable[[Mapping[Any, Any]], str]) -> dict[str, str]:
    """Spell one quantity of every role, the control's in brackets."""
    beside = {row["role"]: spell(row) for row in random.to_dict("records")}
    return {row["role"]: f"{spell(row)} ({beside.get(row['role'], NOTHING)})" for row in rows.to_dict("records")}


def _by_role_columns(cells: Mapping[str, Mapping[str, str]], rows: pd.DataFrame) -> pd.DataFrame:
    roles = summaries.ordered_roles(rows["role"])
    spelled = [[of_role[role] for role in roles] for of_role in cells.values()]
    return pd.DataFrame(spelled, index=list(cells), columns=[ROLE_TITLES[role] for role in roles])


def _map_cells(rows: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Spell one region of one model: layers over roles, then the mean over layers, then the control's."""
    roles = summaries.ordered_roles(rows["role"])
    spelled = rows.assign(cell=[_with_interval(row) for row in rows.to_dict("records")])
    cells = spelled.pivot_table(index="layer", columns="role", values="cell", aggfunc="first")
    for name, found in (("all", rows), ("at random", random)):
        cells.loc[name] = found.groupby("role")["information"].mean().map(percent)
    return cells.reindex(columns=roles).fillna(NOTHING).rename(columns=ROLE_TITLES)


def _with_interval(row: Mapping[Any, Any]) -> str:
    """Spell a share with its interval; of a region that is wholly lost in rounding there is none."""
    if np.isnan(row["information"]):
        return NOTHING
    low, high = (wording.whole_percent(row[f"information_{end}"]) for end in ("low", "high"))
    return f"{percent(row['information'])} [{low}, {high}]"


def _one_matrix_a_row(data: Measurements) -> pd.DataFrame:
    """Put the regions of each matrix beside each other, and say whose control it is of."""
    names = ["n_directions", "n_outliers", "information", "information_low", "information_high"]
    present = data.information[KEY].drop_duplicates()
    for region in REGIONS:
        rows = data.information[data.information["region"] == region][[*KEY, *names]]
        named = {name: f"{name}_{region.replace(' ', '_')}" for name in names}
        present = present.merge(rows.rename(columns=named), on=KEY, how="left", validate="one_to_one")
    present.insert(1, "control_of", present["model"].map(data.controls).fillna(""))
    return present


def _as_weightwatcher(rows: pd.DataFrame, data: Measurements) -> pd.DataFrame:
    """Complete the columns by those that WeightWatcher's users look for: layer_id, name, N, M, Q, num_evals, xmax."""
    sides = rows[["n_out", "n_in"]]
    named = rows.assign(
        layer_id=rows.groupby("model", sort=False).cumcount(),
        name=[_matrix_name(*row) for row in rows[KEY_COLUMNS].itertuples(index=False)],
        control_of=rows["model"].map(data.controls).fillna(""),
        N=sides.max(axis=1),
        M=sides.min(axis=1),
        Q=sides.max(axis=1) / sides.min(axis=1),
        num_evals=sides.min(axis=1),
        xmax=rows["lambda_max"],
        sv_max=rows["lambda_max"] ** 0.5,
    )
    first = ["model", "control_of", "layer_id", "name", "layer", "role", "expert", "N", "M", "Q", "num_evals"]
    return named[[*first, *(name for name in named.columns if name not in (*first, "n_out", "n_in"))]]


def _matrix_name(layer: int, role: str, expert: int) -> str:
    return f"{layer}.{role}" + (f".{expert}" if expert else "")


def _number(value: float) -> str:
    """Spell a mean in three digits."""
    if value != value:
        return NOTHING
    return wording.measurement(value, 0.0)
