"""What a close-up shows of one weight matrix: its spectrum, bounds, vector tests and levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.base.errors import UserError
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.wording import ROLE_TITLES, layer_label


@dataclass(frozen=True)
class CloseUp:
    """What is drawn of one weight matrix.

    Attributes
    ----------
    model_title, role : str
    layer : int
    singular_values : ndarray of shape (n_values,)
        Largest first.
    bulk : mapping
        Its row of ``contracts.BULK``.
    boundaries : tuple of int
        Leading and trailing directions that the vector tests find informative.
    vectors : DataFrame
        Its rows of ``contracts.VECTOR_TESTS``.
    levels : mapping
        From each unfolding to its row of ``contracts.LEVELS``.
    """

    model_title: str
    role: str
    layer: int
    singular_values: np.ndarray
    bulk: Mapping[str, Any]
    boundaries: tuple[int, int]
    vectors: pd.DataFrame
    levels: Mapping[str, Mapping[str, Any]]

    @property
    def title(self) -> str:
        """Model, layer, role and shape."""
        shape = f"{self.bulk['n_out']} × {self.bulk['n_in']}"
        return f"{self.model_title}, layer {self.layer}, {ROLE_TITLES[self.role].lower()}, {shape}"

    @property
    def scale(self) -> float:
        """Standard deviation of the noise entries times the root of the long side: the unit of the spectrum."""
        return float(self.bulk["noise_std"] * max(self.bulk["n_out"], self.bulk["n_in"]) ** 0.5)

    def in_units(self, name: str) -> float:
        """Return an edge or bound of the bulk in units of the scale."""
        return float(self.bulk[name]) / self.scale


def close_up(data: Measurements, model: str, layer: int, role: str) -> CloseUp:
    """Collect what is known of one matrix; of experts, the first.

    Raises
    ------
    UserError
        When the model has no such matrix; names the layers and roles that it has.
    """
    here = {"model": model, "layer": layer, "role": role, "expert": 0}
    bulk: list[dict[Any, Any]] = where(data.bulk, here).to_dict("records")
    if not bulk:
        known = data.bulk[data.bulk["model"] == model]
        roles = ", ".join(name for name in ROLE_TITLES if name in set(known["role"]))
        raise UserError(
            f"report/matrices: {model} has no matrix '{role}' in layer {layer}; "
            f"it has {layer_label(known['layer'])} with {roles}"
        )
    cleaning = where(data.cleaning, here)[["boundary_upper", "boundary_lower"]].to_numpy()[0]
    levels: list[dict[Any, Any]] = where(data.shown_levels, here).to_dict("records")
    return CloseUp(
        model_title=data.titles[model],
        role=role,
        layer=layer,
        singular_values=np.asarray(where(data.spectra, here)["singular_values"].iloc[0], dtype=float),
        bulk=bulk[0],
        boundaries=(int(cleaning[0]), int(cleaning[1])),
        vectors=where(data.shown_vectors, here),
        levels={row["unfolding"]: row for row in levels},
    )
