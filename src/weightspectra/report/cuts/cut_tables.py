"""Tables of cuts: what each does to the model's metrics, as a grid where cuts make one, and else as a list."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from weightspectra.conclusions.cuts.experiments import by_metric, experiments, is_task
from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.cuts import costs
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model

MARK = " *"
MARKED = (
    f"{MARK.strip()}: significant, that is, the p-value of the difference to the untouched model, paired over "
    f"documents or items and corrected over the cuts of the experiment (q), is at most {SIGNIFICANT}."
)
DECILES = "Decile 1 holds the smallest tenth of each matrix's singular values, decile 10 the largest."

Spelling = Callable[[Mapping[Any, Any]], str]


def cuts(data: Measurements) -> Table:
    """Tabulate what each cut does to the metrics of text: change with its interval, significant ones marked.

    Deciles of several roles or layers are a grid of the main metric, all
    other cuts a list. The numbers for machines have every metric, and matched
    controls, too.
    """
    evaluations = costs.evaluated(data)
    evaluations = evaluations[~is_task(evaluations["metric"])]
    blocks: list[Block] = []
    for _, of_model in by_model(evaluations, data.titles):
        for rows in experiments(of_model):
            blocks += _blocks(rows, data, change_with_interval)
    notes = [
        "Change against the untouched model on the same windows of text, and in square brackets its 95 % bootstrap "
        "interval.",
        MARKED,
        DECILES,
        "The CSV file has every metric of an experiment, and its matched controls. Perplexity per word is not given "
        "where spaces do not part the text into words.",
    ]
    title = "What removing singular values costs"
    return Table("cuts", title, _numbers(evaluations), blocks, notes, data.coarse)


def tasks(data: Measurements) -> Table:
    """Tabulate what each cut does to tasks and probes: value and change, significant ones marked."""
    evaluations = costs.evaluated(data)
    evaluations = evaluations[is_task(evaluations["metric"])]
    blocks: list[Block] = []
    for _, of_model in by_model(evaluations, data.titles):
        for rows in by_metric(of_model):
            blocks += _blocks(rows, data, _value_and_change)
    notes = [
        "In a grid: value after the cut, and in round brackets its change against the untouched model on the same "
        "items. In a list: the change with its 95 % bootstrap interval.",
        MARKED,
        DECILES,
    ]
    title = "What removing singular values does to tasks"
    return Table("tasks", title, _numbers(evaluations), blocks, notes, data.coarse)


def change_with_interval(row: Mapping[Any, Any]) -> str:
    """Spell the change that a cut makes: ``"+0.12 [+0.03, +0.21] *"``."""
    change = wording.interval(row["difference"], row["difference_low"], row["difference_high"])
    return change + (MARK if row["told"] else "")


def _value_and_change(row: Mapping[Any, Any]) -> str:
    return f"{row['value']:.3f} ({wording.signed(row['difference'], 3)})" + (MARK if row["told"] else "")


def _numbers(evaluations: pd.DataFrame) -> pd.DataFrame:
    return costs.flattened(evaluations)[costs.COLUMNS]


def _blocks(rows: pd.DataFrame, data: Measurements, spell: Spelling) -> Iterator[Block]:
    """Yield the grids and the list of one model, experiment and metric."""
    untouched = costs.untouched(rows)
    heading = f"{data.titles[untouched['model']]}, {untouched['experiment']}: {costs.describe(untouched)}"
    if costs.too_few_units(rows):
        heading += f", too few to show that any change is significant (no q below {costs.smallest_q(rows):.2g})"
    grids, others = costs.arranged(rows)
    for labels in grids:
        if len(set(labels["column"])) == 1:
            others = pd.concat([labels, others])
        else:
            yield from _grid(labels, heading, spell)
    if len(others):
        yield Block(heading, "Cut", _list(others))


def _grid(labels: pd.DataFrame, heading: str, spell: Spelling) -> Iterator[Block]:
    """Yield one block, or, of single matrices, one for each decile: layers over roles."""
    if set(labels["scope"]) == {"matrix"} and min(len(set(labels["layers"])), len(set(labels["roles"]))) > 1:
        for removed, part in labels.groupby("removed", sort=False):
            block = _crossed(part.assign(row=part["layers"].astype(int)), f"{heading}; {removed}", "Layer", spell)
            yield Block(block.heading, block.stub, block.cells.sort_index())
    else:
        yield _crossed(labels, heading, "Removed", spell)


def _crossed(labels: pd.DataFrame, heading: str, stub: str, spell: Spelling) -> Block:
    spelled = labels.assign(cell=[spell(row) for row in labels.to_dict("records")])
    cells = spelled.pivot_table(index="row", columns="column", values="cell", aggfunc="first")
    cells = cells.reindex(index=labels["row"].unique(), columns=labels["column"].unique()).fillna(wording.NOTHING)
    return Block(heading, stub, cells)


def _list(labels: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Values removed": labels["n_removed"].map("{:,}".format).array,
            "Energy removed, %": labels["removed_energy"].map(wording.percent).array,
            "After the cut": [wording.number(value) for value in labels["value"]],
            "Change [95 % interval]": [change_with_interval(row) for row in labels.to_dict("records")],
            "q": [wording.p_value(q) for q in labels["q_value"]],
        },
        index=pd.Index(labels["cut"]),
    )
