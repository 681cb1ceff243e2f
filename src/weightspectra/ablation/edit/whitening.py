"""Second moments of what a layer reads, and the output directions that they make matter most."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from weightspectra import contracts
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.base.errors import UserError
from weightspectra.contracts import ROLES, MatrixKey

REGULARISATION = 1e-6
"""Share of the mean eigenvalue that is added to every eigenvalue of a covariance.

Directions that the text never used have eigenvalue 0 up to the rounding of the
stored eigenvectors (6e-8 of the largest). Among them, the weights decide.
"""


class InputMoments(NamedTuple):
    """Mean and covariance of a linear layer's input, as ``contracts.MOMENTS`` stores them.

    Attributes
    ----------
    mean : ndarray of shape (n_in,)
    eigenvalues : ndarray of shape (n_in,)
        Of the covariance, largest first.
    eigenvectors : ndarray of shape (n_in, n_in)
        One unit vector a row.
    """

    mean: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray


def stored_of(vectors: Iterable[str], moments: Iterable[str]) -> Stored:
    """Return what edits may read, from files of ``contracts.VECTORS`` and ``contracts.MOMENTS``, a matrix at a time."""
    held, observed = contracts.VECTORS.matrices(vectors), contracts.MOMENTS.matrices(moments)
    return Stored(lambda key: held[key]["values"], moments_by_matrix(observed))


def moments_by_matrix(
    entries: Mapping[MatrixKey, Mapping[str, Any]],
) -> Callable[[MatrixKey], InputMoments]:
    """Return a function from a weight matrix to the moments of its input, read when asked for.

    Parameters
    ----------
    entries : mapping from MatrixKey to columns
        A matrix file of ``contracts.MOMENTS``. Layers that read the same input
        share an entry, which stands under the first of their roles.

    Raises
    ------
    UserError
        By the returned function, for a matrix whose input was not observed.
    """

    def moments(key: MatrixKey) -> InputMoments:
        for role in reversed(ROLES[: ROLES.index(key.role) + 1]):
            shared = key._replace(role=role)
            if shared in entries:
                entry = entries[shared]
                if key.role in entry["roles"][0].split("+"):
                    return InputMoments(entry["mean"], entry["eigenvalue"], entry["values"])
        raise UserError(
            f"{key}: the moments of its input were not collected (inputs of a mixture's experts never are); "
            "leave it out by the cut's roles or layers"
        )

    return moments


def leading_outputs(weight: torch.Tensor, moments: InputMoments, n_directions: int) -> torch.Tensor:
    """Return the directions in which a layer's output is largest in the mean square.

    Parameters
    ----------
    weight : tensor of shape (n_out, n_in)
    moments : InputMoments
        Of what the layer reads.
    n_directions : int
        At most min(n_out, n_in).

    Returns
    -------
    tensor of float64, shape (n_directions, n_out)
        Orthonormal rows, the largest direction first.

    Notes
    -----
    These are the leading left singular vectors of ``W S`` for any root
    ``S S' = M`` of the input's second moment ``M = C + mean mean'``. Here ``S``
    has the columns ``sqrt(l_j) f_j`` of the covariance's eigenpairs, and the mean.
    They are computed from the smaller of the two Gram matrices of ``W S``: a
    direction that rounding mixes with another one has to have nearly the same
    length, so that which of them is kept makes no difference to the error of
    the output, and directions far shorter than the longest are put right by
    the last orthogonalisation.
    """
    exact = weight.to(torch.float64)
    mean, eigenvalues, eigenvectors = (torch.as_tensor(np.array(part)).to(exact) for part in moments)
    least = REGULARISATION * (eigenvalues.sum() + mean @ mean) / len(mean)
    lengths = (eigenvalues.clamp(min=0) + least).sqrt()
    rooted = torch.cat([exact @ eigenvectors.T * lengths, (exact @ mean)[:, None]], dim=1)
    if weight.shape[0] <= weight.shape[1]:
        return torch.linalg.eigh(rooted @ rooted.T).eigenvectors.T.flip(0)[:n_directions]
    right = torch.linalg.eigh(rooted.T @ rooted).eigenvectors.flip(1)[:, :n_directions]
    return torch.linalg.qr(rooted @ right).Q.T
