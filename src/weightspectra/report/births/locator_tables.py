"""The ground-truth table: what the random-matrix locator finds in trained matrices, beside the memories it should."""

from collections.abc import Iterator

import pandas as pd

from weightspectra.conclusions.births.events import located_from_in_median_run
from weightspectra.report.births import settings_in_words
from weightspectra.report.births.summaries import MATRIX_TITLES, spell
from weightspectra.report.births.tables import SPREAD
from weightspectra.report.kit import wording
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import N_OPEN, Block, Table
from weightspectra.statistics.spread import Row, Spread, spread

LOCATORS = {"blind": "blind locator", "informed": "informed locator", "weightwatcher": "WeightWatcher's rule"}
"""From the locators of ``contracts.LOCATIONS`` to what people read."""

COUNTS = {
    "n_memories": "Memories",
    "n_located": "Located",
    "n_visible": "Expected",
    "n_learned": "Learned",
    "n_true": "True",
    "n_false": "False",
    "precision": "Precision",
    "recall": "Recall",
}
"""From the columns of ``contracts.LOCATIONS`` that are averaged over runs to what people read."""

KEY = ["birth", "matrix", "locator"]
ORDER = list(MATRIX_TITLES)


def locator(data: Measurements) -> Table:
    """Tabulate how the locator scores: at first, when it first finds something, halfway, and at last."""
    summary = scores(data.locations)
    wanted = pd.concat([summary.iloc[:0], *(_chosen(rows) for _, rows in summary.groupby(KEY, sort=False))])
    blocks, births = [*_at_last(summary)], births_of(data)
    for name in births:
        for found_by in LOCATORS:
            rows = wanted[(wanted["birth"] == name) & (wanted["locator"] == found_by)]
            if len(rows):
                heading = f"{settings_in_words.title(births, name)}, {LOCATORS[found_by]}"
                heading += f" ({wording.count(int(rows['n_runs'].max()), 'run')})"
                blocks.append(Block(heading, "Matrix, iteration", _course(rows), folded=len(blocks) >= N_OPEN))
    notes = [
        "The blind locator sees the trained matrix alone and fits the scale of its noise; the informed one also knows "
        "the random initialisation. Neither is told the memories. WeightWatcher's rule: the spikes that WeightWatcher "
        "0.7.7 reports for the trained matrix alone (its fit of the density, written anew and checked against it).",
        "Located: singular values above what noise reaches. Learned: of them, those that the change since the "
        "initialisation made; the others are false alarms of a test against noise. True: those located whose vectors "
        "lie in the space of the known memories beyond chance; False: the others, which may have been learned all the "
        f"same ({wording.NOTHING}: the memories fill the whole space, so that nothing can be told). "
        "Expected: values of the change that should rise out of the initialisation's bulk (Baik, Ben Arous and Péché).",
        "Precision: true of located. Recall: true of as many as the memories have dimensions, weak ones included that "
        "are expected to stay inside the bulk. At iteration 0 nothing is stored, and whatever is located is a false "
        "alarm.",
        f"Mean over runs of one birth, or of all. {SPREAD} (2 of 3): so many runs have the number.",
        "Checkpoints: the first, that from which something more than at first is located to the end (in the middle "
        "one of the runs), the one halfway, and the last. The CSV file has all of them.",
    ]
    return Table("locator", "What the locator finds, beside known memories", summary, blocks, notes, [])


def scores(locations: pd.DataFrame) -> pd.DataFrame:
    """Average over the runs of each birth.

    Returns
    -------
    DataFrame
        One row per birth, matrix, locator and iteration: ``n_runs``,
        ``located_from`` (the median run's checkpoint from which something is
        located; NaN if half of them never have one), and for each of ``COUNTS``
        mean, ``_sd`` and ``_n`` (runs that have the number).
    """
    found = []
    start = located_from_in_median_run(locations).to_dict()
    for (birth, matrix, found_by, iteration), rows in locations.groupby([*KEY, "iteration"], sort=False):
        numbers = {
            f"{name}{end}": value
            for name in COUNTS
            for end, value in zip(("", "_sd", "_n"), spread(rows[name])[:3], strict=True)
        }
        place = {"birth": birth, "matrix": matrix, "locator": found_by, "iteration": iteration, "n_runs": len(rows)}
        found.append({**place, "located_from": start[(birth, matrix, found_by)], **numbers})
    columns = [*KEY, "iteration", "n_runs", "located_from"]
    return pd.DataFrame(found, columns=[*columns, *(f"{name}{end}" for name in COUNTS for end in ("", "_sd", "_n"))])


def _chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """Choose the first checkpoint, that of the first finds, the one halfway and the last."""
    iterations = rows["iteration"].sort_values().to_list()
    halfway = min(iterations, key=lambda iteration: abs(iteration - iterations[-1] / 2))
    wanted = {iterations[0], halfway, iterations[-1], *rows["located_from"].dropna().astype(int)}
    return rows[rows["iteration"].isin(wanted)].sort_values("iteration")


def _at_last(summary: pd.DataFrame) -> Iterator[Block]:
    """Spell the last checkpoints of all births in one block."""
    if summary["birth"].nunique() < 2:
        return
    last = summary[summary["iteration"] == summary.groupby("birth")["iteration"].transform("max")]
    cells = {}
    for (matrix, found_by), rows in last.groupby(["matrix", "locator"], sort=False):
        spreads = {heading: spread(rows[name]) for name, heading in COUNTS.items()}
        cells[(str(matrix), str(found_by))] = {heading: spell(found) for heading, found in spreads.items()}
    ordered = sorted(cells, key=lambda place: (ORDER.index(place[0]), place[1]))
    index = [f"{MATRIX_TITLES[matrix]}, {LOCATORS[found_by]}" for matrix, found_by in ordered]
    shown = pd.DataFrame([cells[place] for place in ordered], index=index)
    yield Block("All births at their last checkpoints, mean and spread over births", "Matrix, locator", shown)


def _course(rows: pd.DataFrame) -> pd.DataFrame:
    """Spell chosen checkpoints of one birth and locator, matrix after matrix."""
    ordered = sorted(rows.to_dict("records"), key=lambda row: (ORDER.index(row["matrix"]), row["iteration"]))
    index = [f"{MATRIX_TITLES[row['matrix']]}, {row['iteration']:,}" for row in ordered]
    return pd.DataFrame([_cells(row) for row in ordered], index=index)


def _cells(row: Row) -> dict[str, str]:
    return {heading: spell(Spread.of_row(row, name, f"{name}_n")) for name, heading in COUNTS.items()}
