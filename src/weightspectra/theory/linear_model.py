r"""The smallest model in which learning makes a singular value smaller: a linear student of a linear teacher.

The teacher answers :math:`\lambda u^T \xi` to Gaussian inputs, the student
:math:`v^T W \xi` with a fixed unit vector v and a K x N matrix W, K < N. Weights are drawn from

.. math:: P(W) \propto \exp(-N \beta \epsilon_g - N \mathrm{Tr}(W^T W) / 2 \alpha),
          \quad \epsilon_g = |\lambda u - W^T v|^2 / 2.

This is Gaussian, so that W is a mean of rank one and noise: with the share
:math:`x = \alpha\beta / (1 + \alpha\beta)` that is learned,

.. math:: W = x \lambda v u^T + X, \quad
          X \text{ of columns with covariance } \alpha (1 - x v v^T) / N.

Learning quietens the noise along v. For a weak teacher that direction becomes the
smallest singular direction of W, and leaves the bulk *below*.

Notes
-----
Two formulas of version 3 of the paper do not follow from its model, and are
replaced here by those that do. The value that learning has pulled out is separate
while :math:`\eta < \alpha (1 - \sqrt q)` (at perfect learning
:math:`\lambda^2 < \alpha (1 - \sqrt q)`), where the paper prints
:math:`\lambda < \sqrt{\alpha (1 - q)}`; and what the paper calls the inverse temperature
of the merger is, for :math:`\alpha = 1`, the learned share x there. With the paper's
:math:`\alpha = 1, \lambda = 0.2, q = 1/4` the merger is at
:math:`1 / (1 + \alpha\beta) = 0.4896`, and simulation agrees.

References
----------
Staats, Thamm and Rosenow, arXiv 2410.17770v3, section 6 and appendix F; Baik and
Silverstein, J. Multivar. Anal. 97, 1382 (2006), for the value of a spike; Paul,
Statist. Sinica 17, 1617 (2007), for its vector.
"""

from dataclasses import dataclass
from math import nan

import numpy as np


@dataclass(frozen=True)
class LinearModel:
    r"""One size and one degree of learning.

    Attributes
    ----------
    n_out, n_in : int
        K and N, with K < N.
    residual : float
        :math:`1 / (1 + \alpha\beta)`, the share that is not learned: 1 before learning, towards 0 with many examples.
    teacher_norm : float
        :math:`\lambda`.
    prior_variance : float
        :math:`\alpha`: N times the variance of an entry before learning.
    """

    n_out: int
    n_in: int
    residual: float
    teacher_norm: float = 0.2
    prior_variance: float = 1.0

    @property
    def learned_square(self) -> float:
        r"""The mean squared norm of :math:`W^T v`: :math:`\eta = \alpha - \alpha x + \lambda^2 x^2`."""
        return self.prior_variance * self.residual + (self.teacher_norm * (1 - self.residual)) ** 2

    @property
    def is_separate(self) -> bool:
        """Whether the learned direction has left the bulk below."""
        return self.learned_square < self.prior_variance * (1 - (self.n_out / self.n_in) ** 0.5)

    def smallest_value(self) -> float:
        r"""Return the smallest singular value as N grows; NaN where it is no other than the bulk's edge.

        Notes
        -----
        :math:`\nu^2 = \eta (1 - \alpha q / (\alpha - \eta))`: W is noise whose population
        covariance has one eigenvalue :math:`\eta` among :math:`\alpha`.
        """
        if not self.is_separate:
            return nan
        gap = self.prior_variance - self.learned_square
        return (self.learned_square * (1 - self.prior_variance * self.n_out / self.n_in / gap)) ** 0.5

    def overlaps(self) -> tuple[float, float]:
        r"""Return how far the smallest singular vectors point along v and u: absolute scalar products as N grows.

        NaN where the smallest value is not separate.

        Notes
        -----
        With :math:`d = 1 - \eta / \alpha`, on the left
        :math:`(1 - q / d^2) / (1 - q / d)` for its square. The right vector is
        :math:`W^T \tilde v / \nu`, and the row of W along v has the share
        :math:`x \lambda / \sqrt\eta` in u, so that the overlap there is
        :math:`x \lambda \nu / \eta` times that on the left.
        """
        if not self.is_separate:
            return nan, nan
        aspect, gap = self.n_out / self.n_in, 1 - self.learned_square / self.prior_variance
        left = ((1 - aspect / gap**2) / (1 - aspect / gap)) ** 0.5
        signal = (1 - self.residual) * self.teacher_norm
        return left, left * signal * self.smallest_value() / self.learned_square

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw a student.

        Returns
        -------
        weight : ndarray of shape (n_out, n_in)
        left, right : ndarray of shape (n_out,) and (n_in,)
            The unit vectors v and u.
        """
        left, right = (_direction(size, rng) for size in (self.n_out, self.n_in))
        weight = (self.prior_variance / self.n_in) ** 0.5 * rng.standard_normal((self.n_out, self.n_in))
        weight += np.outer(left, (self.residual**0.5 - 1) * (left @ weight))
        weight += (1 - self.residual) * self.teacher_norm * np.outer(left, right)
        return weight, left, right


def merger(aspect: float, teacher_norm: float, prior_variance: float = 1.0) -> float:
    r"""Return the residual at which the learned direction leaves the bulk, coming from 1; NaN if it never does.

    Parameters
    ----------
    aspect : float
        q = K / N, below one.
    teacher_norm, prior_variance : float
        As in :class:`LinearModel`.

    Notes
    -----
    :math:`\eta = \alpha (1 - \sqrt q)`, that is
    :math:`\lambda^2 x^2 - \alpha x + \alpha \sqrt q = 0`, at the smaller root x.
    """
    discriminant = prior_variance**2 - 4 * prior_variance * teacher_norm**2 * aspect**0.5
    if discriminant < 0:
        return nan
    # The smaller root, in a form that also holds for a teacher that says nothing.
    learned = 2 * prior_variance * aspect**0.5 / (prior_variance + discriminant**0.5)
    return 1 - learned if learned <= 1 else nan


def _direction(size: int, rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(size)
    return vector / np.linalg.norm(vector)
