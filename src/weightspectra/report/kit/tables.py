"""The tables: numbers for machines, strings for people, and the notes that make them readable alone."""

from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.conclusions.overlap import CHANCE
from weightspectra.report.births import birth_tables, locator_tables
from weightspectra.report.cuts import compressions, contrasts, cut_tables
from weightspectra.report.damage import predictions
from weightspectra.report.finetuning import differences, finetuning_tables
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.published import published, published_removals
from weightspectra.report.spectra import noise_tables, summaries

PUBLISHED_TITLES = {
    "n_below": "values below the asymptotic edge",
    "n_above": "values above the asymptotic edge",
    "percent_below": "per cent below the asymptotic edge, mean over layers",
}


def make(name: str, data: Measurements) -> Table:
    """Make the table of this name."""
    titles, warnings = data.titles, data.notices
    makers = {
        "outliers": lambda: outliers(data.bulk, titles, warnings),
        "share_outside": lambda: share_outside(data.bulk, data.controls, titles, warnings),
        "randomness": lambda: noise_tables.randomness(data),
        "information": lambda: noise_tables.information(data),
        "tails": lambda: noise_tables.tails(data),
        "overlap": lambda: overlap(data.findings, titles, warnings),
        "cuts": lambda: cut_tables.cuts(data),
        "contrasts": lambda: contrasts.contrast_table(data),
        "tasks": lambda: cut_tables.tasks(data),
        "compression": lambda: compressions.compression(data),
        "prediction": lambda: predictions.prediction(data),
        "directions": lambda: predictions.directions(data),
        "finetuning": lambda: finetuning_tables.finetuning(data),
        "difference": lambda: differences.difference(data),
        "births": lambda: birth_tables.births(data),
        "locator": lambda: locator_tables.locator(data),
        "knockouts": lambda: birth_tables.knockouts(data),
        "memories": lambda: birth_tables.memories(data),
        "published": lambda: beside_published(data),
    }
    return makers[name]()


def outliers(bulk: pd.DataFrame, titles: Mapping[str, str], warnings: Sequence[str] = ()) -> Table:
    """Tabulate the singular values below | above the bulk by layer and role.

    As Table 3 of arXiv 2410.17770, one block a model.

    Parameters
    ----------
    bulk : DataFrame
        Rows of ``contracts.BULK``.
    titles : mapping
        From each model, in the order of the blocks, to what it is called.
    warnings : sequence of str
        Notes on how the weights are stored.
    """
    counts = summaries.counts_by_layer(bulk)
    blocks = []
    for model, rows in by_model(counts, titles):
        roles = summaries.ordered_roles(rows["role"])
        sums = rows.groupby("role", as_index=False)[["n_below", "n_above"]].sum().assign(layer="all")
        both = pd.concat([rows.astype({"layer": object}), sums])
        both["cell"] = [f"{below:,} | {above:,}" for below, above in zip(both["n_below"], both["n_above"], strict=True)]
        cells = both.pivot_table(index="layer", columns="role", values="cell", aggfunc="first")
        cells = cells.reindex(index=[*sorted(rows["layer"].unique()), "all"], columns=roles).fillna(wording.NOTHING)
        blocks.append(Block(titles[model], "Layer", cells.rename(columns=ROLE_TITLES)))
    notes = [
        "Each cell: values below the lower edge | values above the upper edge of the Marchenko-Pastur bulk whose scale "
        "is fitted to the median singular value. Asymptotic edges: one random matrix in four has a value outside. "
        "The table of randomness counts with calibrated bounds, beyond which at random few matrices have any.",
        "A square matrix has a lower edge of zero, so nothing can lie below it.",
    ]
    if (bulk["expert"] > 0).any():
        notes.append("Layers with experts: sums over all experts.")
    return Table(
        "outliers", "Singular values beyond the asymptotic edges, by layer and role", counts, blocks, notes, warnings
    )


def share_outside(
    bulk: pd.DataFrame, controls: Mapping[str, str], titles: Mapping[str, str], warnings: Sequence[str] = ()
) -> Table:
    """Tabulate the share of singular values outside the bulk, beside that of the random control.

    As appendix H of arXiv 2410.17770.

    Parameters
    ----------
    bulk : DataFrame
        Rows of ``contracts.BULK``.
    controls : mapping
        From each random control to the model it is made like.
    titles : mapping
        From each model to what it is called.
    warnings : sequence of str
        Notes on how the weights are stored.
    """
    shares = summaries.shares_by_role(bulk)
    shares.insert(1, "control_of", shares["model"].map(controls).fillna(""))
    blocks = []
    for model, rows in by_model(shares, titles):
        if model in controls:
            continue
        random = shares[shares["control_of"] == model].groupby("role")[["share_below", "share_above"]].mean()
        blocks.append(Block(titles[model], "Role", _share_cells(rows, random)))
    if not blocks:
        blocks = [Block("No trained model", "Role", pd.DataFrame())]
    notes = [
        "Percentage of a matrix's singular values below the lower and above the upper Marchenko-Pastur edge: mean over "
        "matrices ± standard deviation over matrices.",
        "Asymptotic edges, as published; the table of randomness counts with calibrated bounds.",
        f"At random: the mean of the model's random control ({wording.NOTHING}: no control was configured). Below a "
        f"square matrix's lower edge of zero there can be nothing ({wording.NOTHING}).",
        "Below the floor: values smaller than the rounding errors of the storage format alone can make "
        "(rounding_std (√n_out + √n_in)).",
    ]
    return Table(
        "share_outside", "Share of singular values beyond the asymptotic edges", shares, blocks, notes, warnings
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


def overlap(found: pd.DataFrame, titles: Mapping[str, str], warnings: Sequence[str] = ()) -> Table:
    """Tabulate how many singular vectors overlap with the data more than random ones.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.
    titles : mapping
        From each model to what it is called.
    warnings : sequence of str
        Notes on how the weights are stored.
    """
    counts = summaries.overlap_counts(found)
    columns = {"below": "Below the edges", "inside": "Inside", "above": "Above the edges"}
    blocks = []
    for model, of_model in by_model(counts, titles):
        for corpus, rows in of_model.groupby("corpus", sort=False):
            spelled = rows.assign(cell=[wording.share(k, n) for k, n in rows[["n_aligned", "n_vectors"]].values])
            cells = spelled.pivot_table(index="role", columns="position", values="cell", aggfunc="first")
            cells = cells.reindex(index=summaries.ordered_roles(rows["role"]), columns=list(columns))
            cells = cells.fillna(wording.NOTHING).rename(index=ROLE_TITLES, columns=columns)
            blocks.append(Block(f"{titles[model]} on {corpus}", "Role", cells))
    notes = [
        "Share of right singular vectors whose largest overlap O_k with an eigenvector of the covariance of the "
        "layer's input exceeds the 99.865 % quantile for a random vector, over all layers; below, inside and above the "
        "asymptotic edges.",
        f"By chance: {100 * CHANCE:.3f} % in every cell.",
    ]
    return Table(
        "overlap", "Singular vectors that overlap with the data beyond chance", counts, blocks, notes, warnings
    )


def beside_published(data: Measurements) -> Table:
    """Tabulate what is found here beside what was published for the same model: counts, and what removal does."""
    compared, titles = published.compare(data.published, data.bulk, data.origins), data.titles
    printed = data.published.get("removals", [])
    removals = published_removals.compare(printed, data.evaluations, data.origins)
    blocks = []
    for model, of_model in by_model(compared, titles):
        for (source, quantity), rows in of_model.groupby(["source", "quantity"], sort=False):
            spell = "{:.1f}".format if quantity == "percent_below" else "{:,.0f}".format
            both = [f"{spell(found)} ({spell(printed)})" for found, printed in rows[["found", "published"]].to_numpy()]
            named = rows.assign(cell=both, layer=rows["layer"].astype(object).replace(-1, "all"))
            cells = named.pivot_table(index="layer", columns="role", values="cell", aggfunc="first", sort=False)
            cells = cells[summaries.ordered_roles(rows["role"])].rename(columns=ROLE_TITLES)
            blocks.append(Block(f"{titles[model]}, {source}: {PUBLISHED_TITLES[str(quantity)]}", "Layer", cells))
    notes = [
        "Each cell: found here (published). Both use the asymptotic edges with the scale fitted to the median singular "
        "value, so that equal weights should give equal counts.",
        "What removal does depends on the text or items scored, which the paper does not state in full.",
        *filter(None, [published_removals.note(printed, removals)]),
    ]
    blocks += published_removals.blocks(removals, titles)
    numbers = pd.concat([frame for frame in (compared, removals) if len(frame)] or [compared])
    return Table("published", "Found here, and published", numbers, blocks, notes, [])


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
