"""A finished run with known answers: spectra at the quantiles of the Marchenko-Pastur law, with outliers planted.

The quantiles lie strictly inside the bulk and have the law's own median, so that
the counts outside are exactly those planted, whatever the size of the matrix.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import fake_birth
import fake_noise
import numpy as np
import pandas as pd
import pyarrow as pa
from once import once
from scipy import stats

from weightspectra import contracts
from weightspectra.ablation.measure.positions import NOT_IN_WINDOWS
from weightspectra.conclusions.cuts import costs, tasks
from weightspectra.conclusions.subjects import SUBJECTS
from weightspectra.conclusions.told import TOLD
from weightspectra.report.cuts.costs import changes_told
from weightspectra.report.findings.finding import Conclusions
from weightspectra.report.kit.measurements import Measurements
from weightspectra.spectra.law import marchenko_pastur

BERT = {"query": (48, 48), "attention_output": (48, 48), "up": (144, 48), "down": (48, 144)}
LLAMA = {
    "query": (48, 48),
    "key": (16, 48),
    "value": (16, 48),
    "attention_output": (48, 48),
    "up": (128, 48),
    "gate": (128, 48),
    "down": (48, 128),
}


@dataclass(frozen=True)
class FakeModel:
    """A model whose every matrix has the same number of values planted above, and below where that can be."""

    name: str
    shapes: dict[str, tuple[int, int]] = field(default_factory=lambda: BERT)
    n_layers: int = 2
    n_experts: int = 1
    n_above: int = 3
    n_below: int = 2
    dtype: str = "F32"
    noise: float = 0.0
    """Rounding error of an entry, as a share of the noise entries' standard deviation; NaN if unknown."""
    why: str = ""
    """Why no law is fitted to it."""

    def matrix_keys(self):
        for layer in range(self.n_layers):
            for role in self.shapes:
                experts = self.n_experts if role in ("up", "gate", "down") else 1
                for expert in range(experts):
                    yield contracts.MatrixKey(layer, role, expert)

    def below(self, role: str) -> int:
        n_out, n_in = self.shapes[role]
        return self.n_below if n_out != n_in else 0

    def singular_values(self, role: str) -> np.ndarray:
        """Largest first; scale 1."""
        n_out, n_in = self.shapes[role]
        n, q = min(n_out, n_in), max(n_out, n_in) / min(n_out, n_in)
        values = _quantiles(n, q)[::-1].copy()
        values[: self.n_above] = (1 + q**-0.5) * np.linspace(1.9, 1.2, self.n_above)
        if self.below(role):
            values[-self.below(role) :] = (1 - q**-0.5) * np.linspace(0.8, 0.4, self.below(role))
        return values


@functools.cache
def _quantiles(n: int, q: float) -> np.ndarray:
    """Return the law's quantiles in the middle of n equal parts."""
    grid = np.linspace(1 - q**-0.5, 1 + q**-0.5, 20001)
    return np.interp((np.arange(n) + 0.5) / n, marchenko_pastur.cdf(grid, q), grid)


NOTHING_CUT = {
    contract.name: contract.empty()
    for contract in (
        *(contracts.EVALUATIONS, contracts.PREDICTIONS, contracts.DIRECTIONS),
        *(contracts.FINETUNINGS, contracts.COMPARISONS),
    )
}
"""Of a run that cut nothing, and compared nothing."""


def measurements(
    *models: FakeModel,
    controls=None,
    structured=None,
    overlaps: bool = True,
    births: Sequence[fake_birth.FakeBirth] = (),
    copies=None,
    window_pairs=(),
    concluded: bool = True,
    **measured: pd.DataFrame,
) -> Measurements:
    """Put models, rows of what was measured by cutting and fine-tuning them, and births into what a report reads.

    Unless ``concluded``, it holds no findings, as for an exhibit that does not declare to read them.
    """
    found = frames(*models, overlaps=overlaps)
    options = {"controls": controls or {}, "structured": structured or {}, "copies": copies or {}}
    options |= {"window_pairs": window_pairs}
    told = {}
    if concluded:
        told["findings"] = _concluded(models, overlaps, births, options, measured)
    vectors = found.pop("vector_tests")
    born = fake_birth.frames(*births)
    del born["learning"]  # which nothing shows
    without_lists = {name: rows if name == "spectra" else _scalars(rows, name) for name, rows in found.items()}
    return Measurements(
        **without_lists,
        shown_vectors=vectors,
        shown_levels=found["levels"],
        **{**NOTHING_CUT, **born, **measured},
        **told,
        births=fake_birth.settings(*births),
        controls=controls or {},
        structured=structured or {},
        titles={model.name: model.name.capitalize() for model in models},
    )


def conclusions(name: str, found: dict[str, pd.DataFrame], **options) -> pd.DataFrame:
    """Draw the conclusions of one subject from rows of the contracts of these names."""
    options |= {"seed": 0, "level": 0.05}
    return SUBJECTS[name].conclude(
        **{read: found[read][list(columns) or list(found[read])] for read, columns in SUBJECTS[name].reads.items()},
        **{option: options[option] for option in TOLD.get(name, ())},
    )


def _concluded(models, overlaps, births, options, measured):
    """Draw every conclusion; those that read nothing but the fakes only once."""
    read = {**frames(*models, overlaps=overlaps), **NOTHING_CUT, **fake_birth.frames(*births), **measured}
    told = [
        conclusions(name, read, **options)
        if measured.keys() & subject.reads.keys()
        else _conclusions_of_fakes(name, models, overlaps, births, options)["findings"]
        for name, subject in SUBJECTS.items()
    ]
    return pd.concat(told, ignore_index=True)


@once
def _conclusions_of_fakes(name, models, overlaps, births, options):
    found = {**frames(*models, overlaps=overlaps), **NOTHING_CUT, **fake_birth.frames(*births)}
    return {"findings": conclusions(name, found, **options)}


def judged(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Say of each evaluation whether its change is significant, as figures and tables are told."""
    found = pd.concat([costs.conclude(evaluations, seed=0), tasks.conclude(evaluations)])
    return evaluations.assign(told=changes_told(evaluations, found))


def told(data: Measurements) -> Conclusions:
    """Return what sentences are made from."""
    return Conclusions(data.findings, data.titles, data.controls, data.births, data.structured)


def _scalars(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Leave out the columns that hold lists, as a report does when it reads."""
    (contract,) = (contract for contract in contracts.ALL if contract.name == name)
    return rows[[column.name for column in contract.columns if not pa.types.is_list(column.type)]]


@once
def frames(*models: FakeModel, overlaps: bool = True) -> dict[str, pd.DataFrame]:
    """Return rows of the contracts that tell of these models, by the contract's name."""
    rows = [_matrix(model, key) for model in models for key in model.matrix_keys()]
    matrices, spectra, bulk = (pd.DataFrame([row[place] for row in rows]) for place in range(3))
    vectors = [_overlaps(model, key) for model in models for key in model.matrix_keys()] if overlaps else []
    empty = contracts.OVERLAPS.empty()
    noise = [fake_noise.frames(model) for model in models]
    return {
        "matrices": matrices,
        "spectra": spectra,
        "bulk": bulk,
        "overlaps": pd.concat(vectors, ignore_index=True) if vectors else empty,
        **{name: pd.concat([found[name] for found in noise], ignore_index=True) for name in noise[0]},
    }


def _matrix(model: FakeModel, key: contracts.MatrixKey):
    n_out, n_in = model.shapes[key.role]
    values = model.singular_values(key.role)
    fitted = marchenko_pastur.fit(values, n_out, n_in)
    rounding_std = model.noise * fitted.entry_std
    floor = np.fmax(rounding_std, 0.0) * (n_out**0.5 + n_in**0.5)
    n_lost = int((values < floor).sum())
    fitted = marchenko_pastur.fit(values, n_out, n_in, n_lost)
    mean_square = float((values**2).sum()) / (n_out * n_in)
    name = {"model": model.name, **key._asdict(), "n_out": n_out, "n_in": n_in}
    matrix = {
        **name,
        "tensor": str(key),
        "dtype": model.dtype,
        "entry_mean": 0.0,
        "entry_std": fitted.entry_std,
        "frobenius_norm": (mean_square * n_out * n_in) ** 0.5,
        "rounding_std": rounding_std,
        "excess_kurtosis": 0.0,
        "largest_entry": 5 * fitted.entry_std,
        "row_mean_squares": np.full(n_out, mean_square),
        "column_mean_squares": np.full(n_in, mean_square),
        "sha256": hashlib.sha256(str(sorted(name.items())).encode()).hexdigest(),
    }
    spectrum = {
        **name,
        "short_side": "left" if n_out <= n_in else "right",
        "singular_values": values,
        "route": "gram",
        "residual": 1e-15,
        "orthogonality_short": 1e-15,
        "orthogonality_long": 1e-15,
        "condition": float(values[0] / values[-1]),
        "rounding_floor": floor,
    }
    fit = {
        **name,
        **{
            field: getattr(fitted, field)
            for field in ("aspect_ratio", "entry_std", "scale", "edge_lower", "edge_upper")
        },
        **{field: getattr(fitted, field) for field in ("n_values", "n_below", "n_above")},
        "rounding_floor": floor,
        "n_below_floor": n_lost,
        "why": model.why,
        **fake_noise.bulk_columns(model, key, fitted),
    }
    return matrix, spectrum, fit


def _overlaps(model: FakeModel, key: contracts.MatrixKey) -> pd.DataFrame:
    """Let every vector above the bulk overlap with the data, the first one below, and none inside."""
    values = model.singular_values(key.role)
    n_in = model.shapes[key.role][1]
    low, median, high = stats.norm.ppf((1 + np.array([0.00135, 0.5, 0.99865]) ** (1 / n_in)) / 2) / n_in**0.5
    overlap = np.full(len(values), median)
    overlap[: model.n_above] = (1 + high) / 2
    if model.below(key.role):
        overlap[-1] = (1 + high) / 2
    return pd.DataFrame(
        {
            "model": model.name,
            "corpus": "prose",
            **key._asdict(),
            "index": np.arange(len(values)),
            "singular_value": values,
            "overlap": overlap,
            "overlap_signed": overlap,
            "component": 0,
            "localisation": median,
            "null_low": low,
            "null_median": median,
            "null_high": high,
        }
    )


def evaluation(cut: str, scope: str, removed: str, decile: int, roles, layers, nll, baseline, tokens, **names):
    """One row of evaluations of a perplexity, its numbers from the plainest formulas (equal tokens a document)."""
    nll, baseline, tokens = (np.asarray(values, dtype=float) for values in (nll, baseline, tokens))
    perplexity, untouched = (np.exp(values.sum() / tokens.sum()) for values in (nll, baseline))
    influences = [p * (x - np.log(p) * tokens) / tokens.sum() for p, x in ((perplexity, nll), (untouched, baseline))]
    n = len(tokens)
    error, paired = (
        float(np.sqrt(n / (n - 1) * (z**2).sum())) if n > 1 else float("nan")
        for z in (influences[0], influences[0] - influences[1])
    )
    excess = (nll - baseline) / tokens
    p_value = float(stats.ttest_1samp(excess, 0).pvalue) if n > 1 and excess.std() > 0 else float("nan")
    return {
        **_cut(cut, scope, removed, decile, roles, layers),
        "metric": "perplexity_per_token",
        "statistic": "exp_ratio",
        "higher_is_better": False,
        "value": float(perplexity),
        "standard_error": error,
        **_difference(float(perplexity - untouched), paired, p_value),
        "unit": "document",
        "n_scored": int(tokens.sum()),
        "units": [f"document {d}" for d in range(n)],
        "unit_values": nll.tolist(),
        "unit_weights": tokens.tolist(),
        **NOT_IN_WINDOWS,
        **names,
    }


def task_evaluation(cut: str, scope: str, removed: str, decile: int, roles, layers, right, baseline, **names):
    """One row of evaluations of a task's accuracy; right and baseline are 0 or 1 for each item."""
    right, baseline = (np.asarray(values, dtype=float) for values in (right, baseline))
    change, n = right - baseline, len(right)
    p_value = float(stats.ttest_1samp(change, 0).pvalue) if change.std() > 0 else float("nan")
    return {
        **_cut(cut, scope, removed, decile, roles, layers),
        "metric": "movies/acc",
        "statistic": "mean",
        "higher_is_better": True,
        "value": float(right.mean()),
        "standard_error": float(right.std(ddof=1) / n**0.5),
        **_difference(float(change.mean()), float(change.std(ddof=1) / n**0.5), p_value),
        "unit": "item",
        "n_scored": n,
        "units": [f"item {i}" for i in range(n)],
        "unit_values": right.tolist(),
        "unit_weights": [1.0] * n,
        **NOT_IN_WINDOWS,
        **names,
    }


def _cut(cut: str, scope: str, removed: str, decile: int, roles, layers):
    return {
        "model": "trained",
        "experiment": "deciles",
        "cut": cut,
        "control_of": "",
        "scope": scope,
        "removed": removed,
        "decile": decile,
        "roles": list(roles),
        "layers": list(layers),
        "n_removed": 10 if roles else 0,
        "removed_energy": 0.01 if roles else 0.0,
        "kept_parameters": 1000.0 if roles else 0.0,
    }


def _difference(difference: float, error: float, p_value: float):
    return {
        "difference": difference,
        "difference_se": error,
        "difference_low": difference - 1.96 * error,
        "difference_high": difference + 1.96 * error,
        "p_value": p_value,
        "q_value": p_value,
    }


def decile_experiment(roles, *, dear=(), layers=(0, 1), n_documents: int = 8, **names) -> pd.DataFrame:
    """Ten deciles of each role: the larger the dearer, except that decile 1 of the dear roles costs much."""
    rng = np.random.default_rng(5)
    tokens = np.full(n_documents, 100)
    baseline = tokens * rng.normal(3.0, 0.2, n_documents)

    def row(cut, scope, removed, decile, touched, nll):
        where = layers if touched else ()
        return evaluation(cut, scope, removed, decile, touched, where, nll, baseline, tokens, **names)

    rows = [row("none", "none", "none", 0, [], baseline)]
    for decile in range(1, 11):
        for role in roles:
            cost = 0.05 if decile == 1 and role in dear else 0.001 * 2**decile
            cost += 6.0 * (decile == 10)
            nll = baseline + tokens * (cost + rng.normal(0, 0.002, n_documents))
            rows.append(row(f"decile {decile} of {role}", "role", f"decile {decile}", decile, [role], nll))
    return pd.DataFrame(rows)
