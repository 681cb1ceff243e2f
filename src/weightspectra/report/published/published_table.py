"""The table of what is found here beside what was published for the same model."""

import pandas as pd

from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.published import published, published_removals
from weightspectra.report.spectra import summaries

PUBLISHED_TITLES = {
    "n_below": "values below the asymptotic edge",
    "n_above": "values above the asymptotic edge",
    "percent_below": "per cent below the asymptotic edge, mean over layers",
}


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
