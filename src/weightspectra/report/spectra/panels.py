"""What is drawn of a weight matrix, and the choice of matrices to draw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from weightspectra.contracts import ROLES
from weightspectra.report.kit.exhibit import Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.wording import ROLE_TITLES


@dataclass(frozen=True)
class Panel:
    """What is drawn of one weight matrix.

    Attributes
    ----------
    role : str
    shape : tuple of int
        (n_out, n_in).
    singular_values : ndarray of shape (n_values,)
    scale, edge_lower, edge_upper, rounding_floor : float
        As in ``contracts.BULK``; all but the last NaN where there is no law.
    overlaps : DataFrame, optional
        The matrix's rows of ``contracts.OVERLAPS``.
    control : Panel, optional
        The same matrix of the random control.
    """

    role: str
    shape: tuple[int, int]
    singular_values: np.ndarray
    scale: float
    edge_lower: float
    edge_upper: float
    rounding_floor: float
    overlaps: pd.DataFrame | None = None
    control: "Panel | None" = None

    @property
    def title(self) -> str:
        """Role and shape."""
        return f"{ROLE_TITLES[self.role]}, {self.shape[0]} × {self.shape[1]}"

    def rescaled(self, scale: float = 1.0) -> "Panel":
        """Return the same matrix multiplied so that it has this scale: then bulks of one shape have equal edges."""
        if not (self.scale > 0 and scale > 0):
            return self
        factor = scale / self.scale
        lengths = {name: getattr(self, name) * factor for name in ("edge_lower", "edge_upper", "rounding_floor")}
        overlaps = self.overlaps
        if overlaps is not None:
            overlaps = overlaps.assign(singular_value=overlaps["singular_value"] * factor)
        values = self.singular_values * factor
        return replace(self, singular_values=values, scale=scale, overlaps=overlaps, **lengths)

    def beside(self, control: "Panel | None") -> "Panel":
        """Return the same matrix with that of the random control, multiplied so that both have one law."""
        return replace(self, control=control.rescaled(self.scale) if control else None)

    def outside(self, singular_values: np.ndarray) -> np.ndarray:
        """Return which values lie below or above the bulk."""
        return (singular_values < self.edge_lower) | (singular_values > self.edge_upper)


def of_block(
    spectra: pd.DataFrame, bulk: pd.DataFrame, overlaps: pd.DataFrame | None, *, model: str, layer: int | None
) -> list[Panel]:
    """Collect the matrices of one block, in the order of their roles; of experts, the first.

    Parameters
    ----------
    spectra, bulk, overlaps : DataFrame
        Rows of the contracts of these names; overlaps of one corpus, or None.
    model : str
    layer : int, optional
        The block; the middle one if none is given.
    """
    here = {"model": model, "layer": middle_layer(bulk, model) if layer is None else layer, "expert": 0}
    values: dict[str, np.ndarray] = dict(where(spectra, here)[["role", "singular_values"]].itertuples(index=False))
    aligned = {}
    if overlaps is not None:
        aligned = {str(role): rows for role, rows in where(overlaps, here).groupby("role")}
    fits = {fit["role"]: fit for fit in where(bulk, here).to_dict("records")}
    return [
        Panel(
            role=role,
            shape=(fits[role]["n_out"], fits[role]["n_in"]),
            singular_values=np.asarray(values[role], dtype=float),
            overlaps=aligned.get(role),
            **{name: fits[role][name] for name in ("scale", "edge_lower", "edge_upper", "rounding_floor")},
        )
        for role in ROLES
        if role in fits
    ]


def middle_layer(bulk: pd.DataFrame, model: str) -> int:
    """Return the middle one of a model's layers."""
    layers = sorted(bulk.loc[bulk["model"] == model, "layer"].unique())
    return int(layers[len(layers) // 2])


def square_and_rectangular(matrices: Sequence[Panel]) -> list[Panel]:
    """Choose the first square and one rectangular role, up if there is one; one of them if only one exists."""
    square = [panel for panel in matrices if panel.shape[0] == panel.shape[1]]
    rectangular = [panel for panel in matrices if panel.shape[0] != panel.shape[1]]
    return [*square[:1], *sorted(rectangular, key=lambda panel: panel.role != "up")[:1]]


def tiled_bins(lower: float, upper: float, limit: float, n_values: int) -> np.ndarray:
    """Return the ends of equal bins that tile a bulk exactly and go on beyond it, from zero to a limit."""
    width = (upper - lower) / int(np.clip(1.6 * np.sqrt(n_values), 12, 60))
    n_below, n_above = int(np.ceil(lower / width - 1e-9)), int(np.ceil((limit - upper) / width))
    return lower + width * np.arange(-n_below, round((upper - lower) / width) + n_above + 1)


def densities(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Return the density of values in each of equal bins; those outside all bins count in the total."""
    return np.histogram(values, bins)[0] / (len(values) * (bins[1] - bins[0]))


def of_entry(entry: Entry, data: Measurements, name: str, corpus: str | None = None) -> list[Panel]:
    """Collect an entry's block of its ``model`` or of its ``control``, with overlaps of one corpus or none."""
    overlaps = where(data.overlaps, {"corpus": corpus}) if corpus else None
    return of_block(data.spectra, data.bulk, overlaps, model=entry[name], layer=entry["block"])


def beside(entry: Entry, data: Measurements) -> str:
    """Say whose control stands beside the model."""
    return f" beside its random control {data.titles[entry['control']]}" if entry["control"] else ""


def expert(entry: Entry, data: Measurements) -> str:
    """Say which expert is shown, of a model that has several."""
    return ", expert 0" if (data.bulk.loc[data.bulk["model"] == entry["model"], "expert"] > 0).any() else ""


def block_of(entry: Entry, data: Measurements) -> int:
    """Return which block an entry shows."""
    return middle_layer(data.bulk, entry["model"]) if entry["block"] is None else int(entry["block"])
