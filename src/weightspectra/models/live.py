"""The weight matrices of a loaded model: where each one lives, how to read and write it."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from weightspectra.contracts import MatrixKey
from weightspectra.models import claims
from weightspectra.models.layouts import Slot


@dataclass(frozen=True)
class LiveMatrix:
    """One weight matrix inside a loaded model.

    Parameters
    ----------
    module : Module or None
        The linear module whose input the matrix multiplies; ``None`` for the
        expert of a mixture, which shares a bare parameter with the others.
        Matrices of one fused tensor share their module.
    parameter : Parameter
        The parameter that holds it, alone or with other matrices.
    slot : Slot
        Which part of the parameter it is.
    """

    module: nn.Module | None
    parameter: nn.Parameter
    slot: Slot

    def read(self) -> torch.Tensor:
        """Return a copy in canonical orientation, shape (n_out, n_in), in the parameter's own format."""
        return torch.cat(self.slot.views(self.parameter.detach()))

    def write(self, matrix: torch.Tensor) -> None:
        """Put a matrix of shape (n_out, n_in) in its place, rounded once to the parameter's format.

        Raises
        ------
        ValueError
            When the shape differs.
        """
        views = self.slot.views(self.parameter.detach())
        expected = (sum(len(view) for view in views), views[0].shape[1])
        if tuple(matrix.shape) != expected:
            raise ValueError(f"'{self.slot.tensor}': expected shape {expected}, found {tuple(matrix.shape)}")
        for view, rows in zip(views, matrix.split([len(view) for view in views]), strict=True):
            view.copy_(rows)


def matrices(model: PreTrainedModel, fused_split: str = "interleaved") -> dict[MatrixKey, LiveMatrix]:
    """Find the weight matrices of a loaded model.

    Parameters
    ----------
    model : PreTrainedModel
    fused_split : {'interleaved', 'thirds'}
        As in :func:`weightspectra.models.claims.claim`.

    Returns
    -------
    dict from MatrixKey to LiveMatrix
        Ordered by layer, role and expert.

    Raises
    ------
    UserError
        When the architecture has no row, or differs from it.
    """
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    slots = claims.claim(model.config.to_dict(), shapes, fused_split)
    modules = dict(model.named_modules())
    return {
        key: LiveMatrix(
            module=modules[slot.tensor.rpartition(".")[0]] if slot.stacked is None else None,
            parameter=parameters[slot.tensor],
            slot=slot,
        )
        for key, slot in slots.items()
    }
