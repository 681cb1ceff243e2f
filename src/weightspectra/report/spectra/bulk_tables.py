"""The tables of singular values outside the bulk, and of overlaps with the data."""

import pandas as pd

from weightspectra.conclusions.overlap import CHANCE
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra import summaries


def outliers(data: Measurements) -> Table:
    """Tabulate the singular values below | above the bulk by layer and role.

    As Table 3 of arXiv 2410.17770, one block a model.
    """
    counts = summaries.counts_by_layer(data.bulk)
    blocks = []
    for model, rows in by_model(counts, data.titles):
        roles = summaries.ordered_roles(rows["role"])
        sums = rows.groupby("role", as_index=False)[["n_with_law", "n_below", "n_above"]].sum().assign(layer="all")
        both = pd.concat([rows.astype({"layer": object}), sums])
        both["cell"] = [
            f"{below:,} | {above:,}" if fitted else wording.NOTHING
            for fitted, below, above in both[["n_with_law", "n_below", "n_above"]].itertuples(index=False)
        ]
        cells = both.pivot_table(index="layer", columns="role", values="cell", aggfunc="first")
        cells = cells.reindex(index=[*sorted(rows["layer"].unique()), "all"], columns=roles).fillna(wording.NOTHING)
        blocks.append(Block(data.titles[model], "Layer", cells.rename(columns=ROLE_TITLES)))
    notes = [
        "Each cell: values below the lower edge | values above the upper edge of the Marchenko-Pastur bulk whose scale "
        "is fitted to the median singular value. Asymptotic edges: one random matrix in four has a value outside. "
        "The table of randomness counts with calibrated bounds, beyond which at random few matrices have any.",
        "A square matrix has a lower edge of zero, so nothing can lie below it. Values below the rounding floor do not "
        f"count; a matrix that has too many of them has no law ({wording.NOTHING}).",
    ]
    if (data.bulk["expert"] > 0).any():
        notes.append("Layers with experts: sums over all experts.")
    return Table(
        "outliers",
        "Singular values beyond the asymptotic edges, by layer and role",
        counts,
        blocks,
        notes,
        data.notices,
    )


def share_outside(data: Measurements) -> Table:
    """Tabulate the share of singular values outside the bulk, beside that of the random control.

    As appendix H of arXiv 2410.17770.
    """
    shares = summaries.shares_by_role(data.bulk)
    shares.insert(1, "control_of", shares["model"].map(data.controls).fillna(""))
    blocks = []
    for model, rows in by_model(shares, data.titles):
        if model in data.controls:
            continue
        random = shares[shares["control_of"] == model].groupby("role")[["share_below", "share_above"]].mean()
        blocks.append(Block(data.titles[model], "Role", _share_cells(rows, random)))
    if not blocks:
        blocks = [Block("No trained model", "Role", pd.DataFrame())]
    notes = [
        "Percentage of a matrix's singular values below the lower and above the upper Marchenko-Pastur edge: mean over "
        "matrices ± standard deviation over matrices.",
        "Asymptotic edges, as published; the table of randomness counts with calibrated bounds.",
        f"At random: the mean of the model's random control ({wording.NOTHING}: no control was configured). Below a "
        f"square matrix's lower edge of zero there can be nothing ({wording.NOTHING}).",
        "Below the floor: values smaller than the rounding errors of the storage format alone can make "
        "(rounding_std (√n_out + √n_in)), or arithmetic in float32 (2⁻²³ √n times the largest value). They are in no "
        "other share; a matrix that has too many of them has no law, and is in no mean.",
    ]
    return Table(
        "share_outside", "Share of singular values beyond the asymptotic edges", shares, blocks, notes, data.notices
    )


def _share_cells(rows: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Spell one model's shares, a role a line, beside those of its control (which may be missing)."""
    anything, rectangular = rows["n_out"] > 0, rows["n_out"] != rows["n_in"]
    return pd.DataFrame(
        {
            "Shape": [f"{n_out} × {n_in}" for n_out, n_in in zip(rows["n_out"], rows["n_in"], strict=True)],
            "Matrices": rows["n_matrices"].map("{:,}".format).array,
            "Below, %": _with_spread(rows["share_below"], rows["sd_below"], rectangular),
            "Below at random, %": _looked_up(random["share_below"], rows["role"], rectangular),
            "Above, %": _with_spread(rows["share_above"], rows["sd_above"], anything),
            "Above at random, %": _looked_up(random["share_above"], rows["role"], anything),
            "Below the floor, %": [wording.percent(share) for share in rows["share_below_floor"]],
        },
        index=rows["role"].map(ROLE_TITLES).array,
    )


def overlap(data: Measurements) -> Table:
    """Tabulate how many singular vectors overlap with the data more than random ones."""
    counts = summaries.overlap_counts(data.findings)
    columns = {"below": "Below the edges", "inside": "Inside", "above": "Above the edges"}
    blocks = []
    for model, of_model in by_model(counts, data.titles):
        for corpus, rows in of_model.groupby("corpus", sort=False):
            spelled = rows.assign(cell=[wording.share(k, n) for k, n in rows[["n_aligned", "n_vectors"]].values])
            cells = spelled.pivot_table(index="role", columns="position", values="cell", aggfunc="first")
            cells = cells.reindex(index=summaries.ordered_roles(rows["role"]), columns=list(columns))
            cells = cells.fillna(wording.NOTHING).rename(index=ROLE_TITLES, columns=columns)
            blocks.append(Block(f"{data.titles[model]} on {corpus}", "Role", cells))
    notes = [
        "Share of right singular vectors whose largest overlap O_k with an eigenvector of the covariance of the "
        "layer's input exceeds the 99.865 % quantile for a random vector, over all layers; below, inside and above the "
        "asymptotic edges.",
        f"By chance: {100 * CHANCE:.3f} % in every cell.",
    ]
    if any(model in data.structured for model in counts["model"]):
        notes.append("A structure-keeping control, which is not run, is held against the inputs of its original.")
    return Table(
        "overlap", "Singular vectors that overlap with the data beyond chance", counts, blocks, notes, data.notices
    )


def _with_spread(means: pd.Series, spreads: pd.Series, possible: pd.Series) -> list[str]:
    """Spell means with their spread where there is one; an en dash where there can be no such value at all."""
    spelled = []
    for mean, spread, can_be in zip(means, spreads, possible, strict=True):
        both = f"{wording.percent(mean)} ± {wording.percent(spread)}" if spread else wording.percent(mean)
        spelled.append(both if can_be else wording.NOTHING)
    return spelled


def _looked_up(shares: pd.Series, roles: pd.Series, possible: pd.Series) -> list[str]:
    return [
        wording.percent(shares[role]) if can_be and role in shares.index else wording.NOTHING
        for role, can_be in zip(roles, possible, strict=True)
    ]
