"""Centred second moments of a stream of vectors, and their eigenpairs."""

import torch

BLOCK = 512
"""Vectors per float32 product. Longer sums lose digits; shorter ones pay for more float64 additions."""


STRIPES = 4
"""Products of the lower triangle are computed in this many stripes of columns: 5/8 of the work of the square."""


class Moments:
    """Mean and covariance of vectors that arrive in batches, in one pass.

    Parameters
    ----------
    dimension : int
        Components of a vector.
    device : torch.device or str
        Where the totals live; batches must come on the same device.

    Attributes
    ----------
    n_tokens : int
        Vectors seen so far.

    Notes
    -----
    With a shift c and y = x - c, the covariance is <y yᵀ> - <y><y>ᵀ for any c,
    and a shift near the mean leaves little to cancel (Chan, Golub and LeVeque,
    Am. Stat. 37, 242 (1983)). Here c is the first block's mean, where that
    exceeds the standard deviation, and otherwise 0: shifting the zeros of a
    sparse input would make them equal numbers, whose float32 sums err all in
    one direction. Products are float32 matrix products over blocks of 512
    vectors (the lower triangle only, in stripes) and totals are float64. After
    many blocks that agrees with two passes in float64 to about 1e-8 of the
    Frobenius norm, at half the time of float64 products.
    """

    def __init__(self, dimension: int, device: torch.device | str = "cpu"):
        self.dimension = dimension
        self.n_tokens = 0
        self._shift: torch.Tensor | None = None
        self._sum = torch.zeros(dimension, dtype=torch.float64, device=device)
        self._stripe = -(-dimension // STRIPES)
        self._products = torch.zeros(dimension, dimension, dtype=torch.float64, device=device)

    def update(self, vectors: torch.Tensor) -> None:
        """Add a batch.

        Parameters
        ----------
        vectors : tensor of shape (n_vectors, dimension)
            Of any floating dtype; taken as float32.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"expected vectors of {self.dimension} components, found shape {tuple(vectors.shape)}")
        if not len(vectors):
            return
        if self._shift is None:
            self._shift = _shift_of(vectors[:BLOCK])
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")  # TF32 keeps three digits only
        try:
            for block in vectors.split(BLOCK):
                centred = block.float() - self._shift
                self._sum += centred.sum(dim=0, dtype=torch.float64)
                for start in range(0, self.dimension, self._stripe):
                    stripe = slice(start, start + self._stripe)
                    self._products[start:, stripe] += centred[:, start:].T @ centred[:, stripe]
        finally:
            torch.set_float32_matmul_precision(precision)
        self.n_tokens += len(vectors)

    @property
    def mean(self) -> torch.Tensor:
        """The mean vector, float64."""
        return self._start() + self._sum / self.n_tokens

    @property
    def covariance(self) -> torch.Tensor:
        """The covariance about the mean, divided by ``n_tokens``, float64 and exactly symmetric."""
        self._start()
        rest = self._sum / self.n_tokens
        products = self._products.tril() + self._products.tril(-1).T
        return products / self.n_tokens - torch.outer(rest, rest)

    def eigenpairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the eigenvalues, largest first, and the unit eigenvectors of the covariance.

        Returns
        -------
        eigenvalues : tensor of shape (dimension,)
        eigenvectors : tensor of shape (dimension, dimension)
            One vector per *row*; its component of largest magnitude is positive.

        Raises
        ------
        ValueError
            When a vector held a value that is not finite.
        """
        covariance = self.covariance
        if not torch.isfinite(covariance).all():
            raise ValueError("the vectors hold values that are not finite")
        eigenvalues, columns = torch.linalg.eigh(covariance)
        largest = columns.gather(0, columns.abs().argmax(dim=0, keepdim=True))
        return eigenvalues.flip(0), (columns * largest.sign()).T.flip(0)

    def _start(self) -> torch.Tensor:
        if self._shift is None:
            raise ValueError("no vectors were seen, so that there is no mean and no covariance")
        return self._shift.double()


def _shift_of(vectors: torch.Tensor) -> torch.Tensor:
    """Return what to subtract from every vector: a float32 vector near the mean."""
    exact = vectors.double()
    mean = exact.mean(dim=0)
    return torch.where(mean.abs() > exact.std(dim=0, correction=0), mean, 0.0).float()
