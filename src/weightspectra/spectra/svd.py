"""Singular value decompositions whose smallest values and vectors can be trusted.

Everything is computed in float64, on the CPU or a GPU. Single precision is never
used, nor are drivers that polarise or approximate: both lose the small singular
values that this project is about.

Weights and vectors may be given as numpy arrays or torch tensors of any
precision; results are float64 tensors on the device where they were computed.
Singular vectors are *rows*, and row k belongs to the k-th largest value. The
*short side* is the one with fewer dimensions: the left (output) side when
n_out <= n_in, otherwise the right (input) side. Its vectors are the ones worth
storing; :func:`long_side_vectors` gives the others back.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from weightspectra.base.errors import UserError
from weightspectra.spectra.orthogonality import canonical_signs, deviation, gram, orthonormalised

CONDITION_LIMIT = 1.2e5
"""Largest condition number for which the Gram matrix is used: 1e5, and room for rounding.

Its eigenvectors err by about eps * condition**2. Against spectra of up to 1024
values that are known exactly, the smallest is right to 1e-12 at 1e5 (LAPACK's
gesdd: 2e-12), but only to 2e-11 at twice and 2e-9 at ten times this condition.
"""

CLEAN_UP_LIMIT = 1e-8
"""Non-orthogonality of the long side above which its vectors are cleaned up.

Row norms are singular values up to half of its square, and vectors below it are
better than the float32 (6e-8) in which the short side is stored. It is reached
at conditions of about 2e4.
"""

ROOTS_CONDITION_LIMIT = 50.0
"""Largest condition number for which roots of the Gram matrix's eigenvalues are right to 1e-12."""

ORTHOGONALITY_LIMIT = 1e-8
RESIDUAL_LIMIT = 1e-9
"""Certificates with more than these fail. The residual is eps * CONDITION_LIMIT, with a margin of forty."""

Matrix = np.ndarray | Tensor
Device = str | torch.device | None


@dataclass(frozen=True)
class Decomposition:
    """All singular values and vectors of one matrix, and the certificate of their computation.

    Attributes
    ----------
    short_side : str
        ``"left"`` or ``"right"``; see :func:`short_side`.
    singular_values : Tensor of shape (n_values,)
        Largest first; n_values is the smaller dimension of the matrix.
    short_vectors : Tensor of shape (n_values, n_values)
        One unit vector a row; its component of largest magnitude is positive.
    long_vectors : Tensor of shape (n_values, larger dimension)
        One unit vector a row.
    route : str
        ``"gram"`` (eigenvectors of the Gram matrix) or ``"gesdd"`` (LAPACK; on a GPU its QR driver).
    residual : float
        max_k |W v_k - s_k u_k| / s_1.
    orthogonality_short, orthogonality_long : float
        Largest entry of |Q'Q - 1| for the vectors of each side.
    """

    short_side: str
    singular_values: Tensor
    short_vectors: Tensor
    long_vectors: Tensor
    route: str
    residual: float
    orthogonality_short: float
    orthogonality_long: float

    @property
    def condition(self) -> float:
        """Largest over smallest singular value; infinite if the smallest is zero."""
        return _condition(self.singular_values)

    @property
    def certified(self) -> bool:
        """Whether residual and orthogonality are within this module's limits."""
        worst = max(self.orthogonality_short, self.orthogonality_long)
        return self.residual <= RESIDUAL_LIMIT and worst <= ORTHOGONALITY_LIMIT


def decompose(weight: Matrix, *, device: Device = None, name: str = "matrix") -> Decomposition:
    """Decompose a weight matrix in float64.

    Parameters
    ----------
    weight : array or tensor of shape (n_out, n_in)
    device : optional
        Where to compute; by default where the weight is.
    name : str
        What to call the matrix in an error.

    Raises
    ------
    UserError
        When the weight holds NaN or infinite entries.

    Notes
    -----
    With A the matrix turned so that its rows are the short side, the
    eigenvectors U of A A' give U'A = S V'. The singular values are the norms of
    the rows of U'A; roots of the eigenvalues would lose half of the digits.
    Where rounding mixed the rows by more than ``CLEAN_UP_LIMIT``, they are
    orthogonalised from the largest value down, which takes the large vectors'
    admixture out of the small ones and corrects the values in second order.
    A matrix that is too ill-conditioned for this, or whose certificate fails,
    goes to LAPACK's gesdd (on a GPU, to cuSOLVER's QR driver).

    At most three float64 copies of the matrix and four of its Gram matrix are held.

    Examples
    --------
    >>> found = decompose(np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    >>> found.singular_values.tolist(), found.short_side, found.certified
    ([3.0, 2.0], 'left', True)
    """
    side, wide = short_side(*weight.shape), _finite(_wide(weight, device), name)
    found = _by_gram_matrix(wide, side)
    return found if found and found.certified else _by_lapack(wide, side)


def singular_values(weight: Matrix, *, device: Device = None, name: str = "matrix") -> Tensor:
    """Return the singular values alone, as accurate as those of :func:`decompose`, largest first.

    Notes
    -----
    Roots of the Gram matrix's eigenvalues err by eps * condition**2, relatively,
    and cost no eigenvectors. They will do for well-conditioned matrices, and are
    tried for those of an aspect ratio above 1.1, whose noise is; others are
    decomposed.
    """
    wide = _finite(_wide(weight, device), name)
    if wide.shape[1] > 1.1 * wide.shape[0]:
        values = torch.linalg.eigvalsh(gram(wide)).flip(0).clamp(min=0).sqrt()
        if _condition(values) <= ROOTS_CONDITION_LIMIT:
            return values
    return decompose(wide).singular_values


def long_side_vectors(weight: Matrix, short_vectors: Matrix, *, device: Device = None) -> Tensor:
    """Recompute the singular vectors of the long side from those of the short side.

    Parameters
    ----------
    weight : array or tensor of shape (n_out, n_in)
    short_vectors : array or tensor of shape (n_values, n_values)
        As in :class:`Decomposition`, largest singular value first; float32 will do.
    device : optional
        Where to compute; by default where the weight is.

    Returns
    -------
    Tensor of shape (n_values, larger dimension)
        Orthonormal rows. Vectors that were rounded to float32 add an error of
        about 1e-8, less than that rounding itself, whatever the condition number.

    Notes
    -----
    Rounding u_k to float32 adds a little of every other u_j to it, and s_j / s_k
    times as much of v_j to W'u_k: at condition 1e4 this drowns the smallest v_k.
    But the true v_k is orthogonal to the others, so that orthogonalising from the
    largest value down takes the admixture out again.
    """
    wide = _wide(weight, device)
    return orthonormalised(_float64(short_vectors, wide.device) @ wide)


def vectors_of_side(side: str, weight: Matrix, short_vectors: Matrix, *, device: Device = None) -> Tensor:
    """Return the singular vectors of the left (output) or the right (input) side.

    Parameters
    ----------
    side : {"left", "right"}
    weight, short_vectors, device
        As for :func:`long_side_vectors`.

    Returns
    -------
    Tensor of shape (n_values, n_out) for "left", (n_values, n_in) for "right"
        Orthonormal rows, largest singular value first.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', not {side!r}")
    if side != short_side(*weight.shape):
        return long_side_vectors(weight, short_vectors, device=device)
    where = device or (weight.device if isinstance(weight, Tensor) else None)
    return orthonormalised(_float64(short_vectors, where))


def short_side(n_out: int, n_in: int) -> str:
    """Return which side has fewer dimensions: ``"left"`` if n_out <= n_in, otherwise ``"right"``."""
    return "left" if n_out <= n_in else "right"


def _by_gram_matrix(wide: Tensor, side: str) -> Decomposition | None:
    """Decompose a matrix with no more rows than columns; None if it is too ill-conditioned."""
    short = torch.linalg.eigh(gram(wide)).eigenvectors.T.flip(0)
    long = short @ wide
    values = torch.linalg.vector_norm(long, dim=1)
    if not _condition(values.sort(descending=True).values) <= CONDITION_LIMIT:
        return None
    values, short, long = _in_order(values, short, long)
    long /= values[:, None]

    # U'A V' = S V V': the overlaps V V' give the residual without another product with A.
    overlaps = gram(long)
    coupling = values[:, None] * overlaps
    if deviation(overlaps) > CLEAN_UP_LIMIT:
        # Cholesky's factor L of the overlaps orthogonalises row after row; U'A V' becomes S L.
        lower = torch.linalg.cholesky(overlaps)
        long = torch.linalg.solve_triangular(lower, long, upper=False)
        coupling = values[:, None] * lower
        values = coupling.diagonal().clone()
        overlaps = gram(long)
    coupling.diagonal().sub_(values)
    residual = torch.linalg.vector_norm(coupling, dim=0).max() / values[0]
    return _signed(side, *_in_order(values, short, long), "gram", float(residual), deviation(overlaps))


def _by_lapack(wide: Tensor, side: str) -> Decomposition:
    """Decompose any matrix; slower, and as accurate as float64 allows."""
    driver = "gesvd" if wide.is_cuda else None
    left, values, long = torch.linalg.svd(wide, full_matrices=False, driver=driver)
    residual = torch.linalg.vector_norm(wide @ long.T - left * values, dim=0).max()
    relative = float(residual / values[0]) if values[0] > 0 else 0.0
    return _signed(side, values, left.T, long, "gesdd", relative, deviation(gram(long)))


def _signed(
    side: str, values: Tensor, short: Tensor, long: Tensor, route: str, residual: float, orthogonality_long: float
) -> Decomposition:
    signs = canonical_signs(short)
    short, long = short.mul_(signs), long.mul_(signs)
    return Decomposition(side, values, short, long, route, residual, deviation(gram(short)), orthogonality_long)


def _in_order(values: Tensor, short: Tensor, long: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort from the largest value down; values that differ by rounding alone may come unsorted."""
    if (values[1:] <= values[:-1]).all():
        return values, short, long
    order = torch.argsort(values, descending=True, stable=True)
    return values[order], short[order], long[order]


def _condition(values: Tensor) -> float:
    smallest = float(values[-1])
    return float(values[0]) / smallest if smallest > 0 else math.inf


def _wide(weight: Matrix, device: Device) -> Tensor:
    """Turn a matrix so that its rows are the short side."""
    matrix = _float64(weight, device)
    return matrix if short_side(*matrix.shape) == "left" else matrix.T


def _finite(matrix: Tensor, name: str) -> Tensor:
    n_wrong = matrix.numel() - int(torch.isfinite(matrix).sum())
    if n_wrong:
        raise UserError(
            f"{name}: {n_wrong} of {matrix.numel()} weights are NaN or infinite; "
            "every weight must be finite: check the checkpoint, or fetch it again"
        )
    return matrix


def _float64(values: Matrix, device: Device) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().to(device=device, dtype=torch.float64)
    return torch.tensor(values, dtype=torch.float64, device=device)
