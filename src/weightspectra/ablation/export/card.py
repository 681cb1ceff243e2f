"""The card of an exported model: what was removed from what, what it cost, and how to load it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.ablation.choose.cuts import PlannedCut
from weightspectra.ablation.choose.scopes import ranges
from weightspectra.ablation.export.exporting import FACTORISED, LOADER, Exported

AUTO_CLASSES = {None: "AutoModel", "causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM"}
"""What loads a model, by its head."""


def card(
    cut: PlannedCut,
    exported: Exported,
    evaluations: pd.DataFrame,
    *,
    model: str,
    experiment: str,
    head: str | None,
    provenance: Mapping[str, Any],
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    cut : PlannedCut
    exported : Exported
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS`` of this model and experiment.
    model, experiment : str
        Their names in the configuration.
    head : {'causal', 'masked'} or None
        Of the model.
    provenance : mapping
        The job's stamp.
    """
    rows = evaluations[evaluations["cut"] == cut.label]
    controls = evaluations[evaluations["control_of"] == cut.label]
    origin = provenance["sources"].get(model, {})
    parts = [
        f"# {model}: {cut.label}",
        f"A copy of {_origin(model, origin)} with singular values of its weight matrices removed "
        "(or, for a compression, matrices of lower rank), to see what they do. Nothing was trained.",
        _what(cut, exported, experiment),
        "## What it cost",
        _table(rows, "metric"),
        "`interval` is the 95 % bootstrap interval of the difference to the untouched model, paired over documents or "
        f"items; `q` its two-sided p-value, corrected over the cuts of the experiment `{experiment}`.",
    ]
    if len(controls):
        parts += ["Its matched controls, for comparison:", _table(controls, "cut", "metric")]
    parts += ["## How to load it", _usage(exported, AUTO_CLASSES[head])]
    parts += [
        "## Where it comes from",
        "`provenance.json` holds digests of configuration and code, versions, seed and sources. "
        f"The licence is that of {_origin(model, origin)}.",
    ]
    return "\n\n".join(parts) + "\n"


def _origin(model: str, origin: Mapping[str, Any]) -> str:
    name = f"`{origin.get('name', model)}`"
    details = [str(origin[key]) for key in ("kind", "revision", "quantisation") if origin.get(key)]
    return name + (f" ({', '.join(details)})" if details else "")


def _what(cut: PlannedCut, exported: Exported, experiment: str) -> str:
    matrices = f"{len(cut.edits)} {'matrix' if len(cut.edits) == 1 else 'matrices'}"
    lines = [
        f"- cut: `{cut.label}`, of the experiment `{experiment}` (removed: {cut.removed})",
        f"- from {matrices}: {', '.join(cut.roles)}; layers {ranges(cut.layers)}",
        f"- singular values removed: {cut.n_removed:,}",
        f"- share of these matrices' squared Frobenius norm removed: {exported.change.removed_energy:.3%}",
        f"- parameters: {exported.n_parameters:,}",
    ]
    if exported.n_factorised:
        lines.append(
            f"- in the folder `{FACTORISED}`, with {exported.n_factorised} matrices as two factors: "
            f"{exported.n_parameters_factorised:,}"
        )
    return "\n".join(lines)


def _table(rows: pd.DataFrame, *names: str) -> str:
    header = [*names, "untouched", "value", "difference", "interval", "q", "better"]
    lines = [header, ["---"] * len(header)]
    for row in rows.to_dict("records"):
        lines.append(
            [
                *(str(row[name]) for name in names),
                f"{row['value'] - row['difference']:.5g}",
                f"{row['value']:.5g}",
                f"{row['difference']:+.3g}",
                f"{row['difference_low']:+.3g} to {row['difference_high']:+.3g}",
                f"{row['q_value']:.2g}",
                "higher" if row["higher_is_better"] else "lower",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _usage(exported: Exported, loaded_by: str) -> str:
    lines = [
        f"from transformers import {loaded_by}, AutoTokenizer",
        "",
        f'model = {loaded_by}.from_pretrained("THIS_FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")',
    ]
    if exported.n_factorised:
        lines += [
            "",
            f'import sys; sys.path.append("THIS_FOLDER/{FACTORISED}")',
            f"from {LOADER.removesuffix('.py')} import load",
            "",
            f'smaller = load("THIS_FOLDER/{FACTORISED}")',
        ]
    return "\n".join(["```python", *lines, "```"])
