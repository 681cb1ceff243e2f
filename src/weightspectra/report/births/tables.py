"""The tables of trained births: what they learned, what knocking out located values does, and memories in theory."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.birth.settings import Birth
from weightspectra.conclusions.births.events import FORMED, INDUCTION, by_matrix, final_probe, formed_from
from weightspectra.conclusions.births.knockouts import knockout_effects
from weightspectra.report.births import settings_in_words
from weightspectra.report.births.summaries import MATRIX_TITLES, spell
from weightspectra.report.kit import wording
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import N_OPEN, Block, Table
from weightspectra.statistics.spread import Row, Spread, spread

SKILLS = {
    "accuracy": ("in_context_accuracy", "Accuracy in context"),
    "induction": (INDUCTION, "Induction accuracy"),
    "global_loss": ("global_loss", "Global loss, nats"),
}
RECALLS = {
    "recall_output": ("recall_output", "W_O²"),
    "recall_output_corrected": ("recall_output_corrected", "W_O² through W_F"),
    "recall_key_2": ("recall_key_2", "W_K²"),
    "recall_key_1": ("recall_key_1", "W_K¹"),
    "recall_key_1_early": ("recall_key_1_early", "W_K¹, first 64 positions"),
}
"""From columns of the births' table to the probe behind each and what people read."""

CUTS = {
    "keep_located": "Only located kept",
    "remove_located": "Located removed",
    "remove_smallest": "As many smallest removed",
}

SIMULATIONS = {
    "superposition": "Sums of outer products",
    "spectrum": "Singular values of sums of outer products",
    "one_step": "One gradient step",
    "three_steps": "Three gradient steps, matrix after matrix",
}
"""From each simulation to what people read."""

SPREAD = "± is the standard deviation from run to run; without it, all runs agree or there is one."


def births(data: Measurements) -> Table:
    """Tabulate the trained births, one a row: setting, and what was learned when."""
    settings = births_of(data)
    common, different = settings_in_words.in_words(settings)
    found = {name: _found(name, birth, data) for name, birth in settings.items()}
    rows, skills, recalls = [], [], []
    for name, numbers in found.items():
        n_runs, n_iterations = numbers["formed"].n_runs, settings[name].training.n_iterations
        told = {"birth": name, "setting": different[name], "n_seeds": n_runs, "n_iterations": n_iterations}
        rows.append({**told, **_flat(numbers)})
        title = settings_in_words.title(settings, name)
        setting = {
            "Setting": different[name] or "as above",
            "Runs": f"{n_runs}",
            "Iterations": f"{n_iterations:,}",
            "Formed at": spell(numbers["formed"], none="never"),
        }
        skills.append((title, {**setting, **_spelled(numbers, SKILLS)}))
        if any(numbers[column].n for column in RECALLS):
            recalls.append((title, _spelled(numbers, RECALLS)))
    blocks = []
    if skills:
        blocks.append(Block(f"Setting, where nothing else is said: {common}", "Birth", _lines(skills), ("Setting",)))
    if recalls:
        absent = [title for name, (_, title) in RECALLS.items() if not any(each[name].n for each in found.values())]
        heading = "Recall of the memories in each matrix, at the last checkpoint"
        blocks.append(Block(heading, "Birth", _lines(recalls).drop(columns=absent)))
    notes = [
        f"Mean over runs, one for each seed. {SPREAD} (2 of 3): so many runs have the number.",
        "At the last checkpoint: accuracy in context is the share of triggers' predictable outputs predicted rightly, "
        "induction accuracy that share where the output is not the trigger itself, so that copying the last token does "
        "not help, the global loss the mean cross-entropy where the bigrams rule, a recall the share of a matrix's "
        f"memories that its weights give back. {wording.NOTHING}: does not apply.",
        f"Formed at: the first checkpoint from which on induction accuracy is {FORMED:g} or more to the end.",
    ]
    return Table("births", "Transformers trained here", pd.DataFrame(rows), blocks, notes, [])


def _found(name: str, birth: Birth, data: Measurements) -> dict[str, Spread]:
    """Average over the runs of a birth when it forms an induction head, and what it ends with."""
    runs = pd.MultiIndex.from_product([[name], birth.seeds])
    probes = data.probes[data.probes["birth"] == name]
    finals = {column: final_probe(probes, probe) for column, (probe, _) in {**SKILLS, **RECALLS}.items()}
    found = {"formed": formed_from(probes), **finals}
    return {column: spread(values.reindex(runs)) for column, values in found.items()}


def _spelled(numbers: Mapping[str, Spread], columns: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {heading: spell(numbers[column]) for column, (_, heading) in columns.items()}


def knockouts(data: Measurements) -> Table:
    """Tabulate what keeping or removing located singular values does to the accuracy, matrix by matrix."""
    effects, settings = knockout_effects(data.knockouts), births_of(data)
    blocks: list[Block] = []
    for name, of_birth in _by_birth(effects, data):
        lines = []
        for matrix, of_matrix in by_matrix(of_birth):
            rows = by_cut(of_matrix)
            located = rows["keep_located"]
            cells = {
                "Located": spell(Spread.of_row(located, "n_values", "n")),
                "Untouched": spell(Spread.of_row(located, "untouched", "n")),
                **{heading: _effect(rows.get(cut)) for cut, heading in CUTS.items()},
            }
            lines.append((MATRIX_TITLES[matrix], cells))
        heading = f"{settings_in_words.title(settings, name)} ({wording.count(of_birth['n_runs'].iloc[0], 'run')})"
        blocks.append(Block(heading, "Matrix", _lines(lines), folded=len(blocks) >= N_OPEN))
    notes = [
        "Accuracy in context of the last checkpoint, mean over runs, and in round brackets its change against the "
        "untouched model on the same sequences.",
        "± is the standard deviation of the change from run to run or, where that is larger or there is one run, the "
        "standard error of the change over sequences of a run.",
        "Located: singular values that the locator finds without being told the memories. For comparison, as many of "
        "the smallest singular values are removed as were located.",
    ]
    return Table("knockouts", "Keeping and removing located singular values", effects, blocks, notes, [])


def memories(data: Measurements) -> Table:
    """Tabulate what was found in memories that are made without training, beside what theory says."""
    key = ["simulation", "variant", "dimension", "n_tokens", "quantity"]
    rows = []
    for values, draws in data.simulations.groupby(key, sort=False):
        found, expected = spread(draws["value"]), spread(draws["expected"])
        rows.append(
            {
                **dict(zip(key, values, strict=True)),
                "n_draws": found.n_runs,
                "found": found.mean,
                "found_sd": found.sd,
                "expected": expected.mean,
            }
        )
    summary = pd.DataFrame(rows, columns=[*key, "n_draws", "found", "found_sd", "expected"])
    blocks = [
        Block(SIMULATIONS.get(str(simulation), str(simulation)), "Setting", _simulated(part))
        for simulation, part in summary.groupby("simulation", sort=False)
    ]
    notes = [
        "Found: mean ± standard deviation over draws of the embeddings. In round brackets: what theory says "
        f"({wording.NOTHING}: it says nothing).",
    ]
    return Table("memories", "Associative memories made without training, beside theory", summary, blocks, notes, [])


def by_cut(effects: pd.DataFrame) -> dict[str, Row]:
    """Return the rows of one matrix of one birth by cut; one is missing where it would remove nothing."""
    return {str(row["cut"]): row for row in effects.to_dict("records")}


def change(row: Row) -> str:
    """Spell a change of accuracy with the larger of its spread over runs and its error over sequences."""
    error = max(row["change_error"], row["change_sd"] if row["n"] > 1 else 0)
    return wording.measurement(row["change"], error, signed=True)


def _effect(row: Row | None) -> str:
    if row is None:
        return wording.NOTHING
    some = f", {row['n']} of {row['n_runs']}" if row["n"] < row["n_runs"] else ""
    return f"{row['accuracy']:.3f} ({change(row)}{some})"


def _simulated(rows: pd.DataFrame) -> pd.DataFrame:
    """Spell one simulation: settings over quantities."""
    told = rows.assign(
        place=[
            f"d = {row['dimension']:,}, N = {row['n_tokens']:,}" + (f", {row['variant']}" if row["variant"] else "")
            for row in rows.to_dict("records")
        ],
        cell=[
            f"{spell(Spread(row['found'], row['found_sd'], row['n_draws'], row['n_draws']))} {_theory(row['expected'])}"
            for row in rows.to_dict("records")
        ],
        name=[_quantity(name) for name in rows["quantity"]],
    )
    cells = told.pivot_table(index="place", columns="name", values="cell", aggfunc="first", sort=False)
    return cells.fillna(wording.NOTHING)


def _quantity(name: str) -> str:
    """Spell the name of a quantity for people: ``"recall_of_key_2"`` is ``"Recall of W_K²"``."""
    spelled = name.replace("_", " ").capitalize()
    for matrix, title in MATRIX_TITLES.items():
        spelled = spelled.replace(f"of {matrix.replace('_', ' ')}", f"of {title}")
    return spelled


def _theory(expected: float) -> str:
    return f"({wording.NOTHING if math.isnan(expected) else wording.number(expected)})"


def _by_birth(rows: pd.DataFrame, data: Measurements) -> list[tuple[str, pd.DataFrame]]:
    """Divide rows by birth, in the order of the configuration."""
    return [(name, rows[rows["birth"] == name]) for name in data.births if (rows["birth"] == name).any()]


def _lines(rows: Sequence[tuple[str, Mapping[str, str]]]) -> pd.DataFrame:
    """Lay out cells in rows, each with what it is called; two births may be called alike."""
    return pd.DataFrame([cells for _, cells in rows], index=[name for name, _ in rows])


def _flat(found: Mapping[str, Spread], *, counts: bool = True) -> dict[str, float]:
    """Lay out means, spreads and numbers of runs as columns."""
    return {
        f"{name}{end}": value
        for name, numbers in found.items()
        for end, value in (("", numbers.mean), ("_sd", numbers.sd), *[("_n", numbers.n)] * counts)
    }
