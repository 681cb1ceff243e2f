"""Orthonormal rows: how far a set of vectors is from it, and how to make it so."""

import torch
from torch import Tensor


def gram(rows: Tensor, n_blocks: int = 4) -> Tensor:
    """Return rows @ rows.T, of which little more than one triangle is multiplied out.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_columns)
    n_blocks : int
        Blocks of columns; with four, five eighths of the products are formed.
    """
    n = len(rows)
    products = rows.new_empty(n, n)
    step = -(-n // n_blocks)
    for start in range(0, n, step):
        stop = min(start + step, n)
        products[start:, start:stop] = rows[start:] @ rows[start:stop].T
        products[start:stop, stop:] = products[stop:, start:stop].T
    return products


def deviation(overlaps: Tensor) -> float:
    """Return the largest entry of |overlaps - 1|, where ``overlaps`` is the Gram matrix of vectors."""
    off = overlaps.clone()
    off.diagonal().sub_(1)
    return float(torch.linalg.vector_norm(off, ord=torch.inf))


def orthonormalised(rows: Tensor) -> Tensor:
    """Make rows orthonormal in their order: each loses what it has of the earlier ones.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_columns), n_rows <= n_columns
        Of any lengths. Rows that depend on earlier ones become arbitrary
        directions orthogonal to the others.

    Notes
    -----
    This is what Gram and Schmidt's method would give without rounding. Where the
    unit rows are nearly orthogonal, Cholesky's factor of their Gram matrix does
    it with matrix products alone (about a quarter of the time); otherwise
    Householder's QR.
    """
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if norms.min() > 0:
        units = rows / norms
        lower, failed = torch.linalg.cholesky_ex(gram(units))
        # Rounding errors grow with the inverse square of the factor's diagonal.
        if not failed and lower.diagonal().min() > 0.5:
            return torch.linalg.solve_triangular(lower, units, upper=False)
    columns, upper = torch.linalg.qr(rows.T)
    return (columns * torch.where(upper.diagonal() < 0, -1.0, 1.0)).T


def canonical_signs(rows: Tensor) -> Tensor:
    """Return +1 or -1 for each row, such that the first of its largest components becomes positive.

    Components that differ by rounding alone count as equally large. The shape is
    (n_rows, 1), ready to multiply.
    """
    sizes = rows.abs()
    largest = sizes >= sizes.max(dim=1, keepdim=True).values * (1 - 1e-9)
    first = largest.to(torch.uint8).argmax(dim=1, keepdim=True)
    return torch.where(rows.gather(1, first) < 0, -1.0, 1.0).to(rows.dtype)
