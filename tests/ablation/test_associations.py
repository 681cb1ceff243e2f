"""A model whose answer to removal is known in closed form: a linear memory of associations."""

import numpy as np
import pytest
import torch

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.edit.truncation import Stored, edited
from weightspectra.ablation.measure.perplexity import window_nll
from weightspectra.ablation.settings import Cut
from weightspectra.activations.windows import Window
from weightspectra.contracts import MatrixKey
from weightspectra.models.layouts import Slot
from weightspectra.models.live import LiveMatrix
from weightspectra.spectra.svd import decompose

KEY = MatrixKey(0, "down")
N_FACTS = 20
STRENGTHS = np.linspace(12.0, 6.0, N_FACTS)
"""How well each is remembered; the singular values of the memory."""


class Memory(torch.nn.Module):
    """Answers fact i with word i: ``W = sum_i s_i b_i a_i'`` between orthonormal keys ``a_i`` and values ``b_i``.

    The logit of word j after fact i is ``b_j' W a_i = s_i`` for j = i, and 0
    for every other word. So the right word has the loss
    ``log(1 + (N - 1) exp(-s_i))``; without the i-th singular value all words
    are alike, and it is ``log N``.
    """

    def __init__(self, n_out, n_in):
        super().__init__()
        rng = np.random.default_rng(8)
        keys = np.linalg.qr(rng.standard_normal((n_in, N_FACTS)))[0]
        answers = np.linalg.qr(rng.standard_normal((n_out, N_FACTS)))[0]
        self.layer = torch.nn.Linear(n_in, n_out, bias=False, dtype=torch.float64)
        self.layer.weight.data = torch.from_numpy((answers * STRENGTHS) @ keys.T)
        self.decoder = torch.nn.Identity()
        self.keys, self.answers = torch.from_numpy(keys), torch.from_numpy(answers)

    def get_decoder(self):
        """Return a part that is never run, so that all logits are asked for at once."""
        return self.decoder

    def forward(self, input_ids, use_cache=False):
        """Return the logits of the next word at every position."""
        return type("Output", (), {"logits": self.layer(self.keys.T[input_ids]) @ self.answers})

    def recalled(self):
        """Return which facts have their own word as the only likeliest, by a margin beyond rounding."""
        with torch.inference_mode():
            best = self(torch.arange(N_FACTS)).logits.topk(2)
        is_clear = best.values[:, 0] > best.values[:, 1] + 1e-3
        return set(torch.nonzero(is_clear & (best.indices[:, 0] == torch.arange(N_FACTS)))[:, 0].tolist())

    def losses(self):
        """Return the loss of each fact's word, as perplexities are measured."""
        asked = [Window(str(fact), [fact, fact], 1) for fact in range(N_FACTS)]
        return window_nll(self, asked, batch_size=7)


@pytest.fixture(params=[(30, 20), (20, 30), (20, 20)], ids=["tall", "wide", "square"])
def memory(request):
    return Memory(*request.param)


def cutting(memory, entry):
    """Plan one cut from the memory's own decomposition, and apply it."""
    found = decompose(memory.layer.weight.detach().numpy())
    matrix = LiveMatrix(memory.layer, memory.layer.weight, Slot("layer.weight", (slice(None),), False, None))
    spectrum = Spectrum(found.singular_values.numpy(), *memory.layer.weight.shape, {"asymptotic": (3, 2)})
    (cut, *_) = plan_cuts([Cut(**entry)], {KEY: spectrum})
    vectors = found.short_vectors.numpy().astype(np.float32)
    return edited({KEY: matrix}, cut.edits, Stored(lambda _: vectors))


REMEMBERED = np.log1p((N_FACTS - 1) * np.exp(-STRENGTHS))


def test_an_untouched_memory_recalls_everything(memory):
    assert memory.recalled() == set(range(N_FACTS))
    np.testing.assert_allclose(memory.losses(), REMEMBERED, atol=2e-6)


def test_removing_one_singular_value_loses_exactly_its_association(memory):
    for fact in range(N_FACTS):
        with cutting(memory, {"remove": {"indices": [fact, fact]}}) as change:
            assert memory.recalled() == set(range(N_FACTS)) - {fact}
            expected = np.where(np.arange(N_FACTS) == fact, np.log(N_FACTS), REMEMBERED)
            np.testing.assert_allclose(memory.losses(), expected, atol=2e-6)
        assert change.removed_energy == pytest.approx(STRENGTHS[fact] ** 2 / np.square(STRENGTHS).sum(), rel=1e-6)
        assert memory.recalled() == set(range(N_FACTS))


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"deciles": [1]}, {18, 19}),
        ({"deciles": [10]}, {0, 1}),
        ({"region": ["below"]}, {17, 18, 19}),
        ({"region": ["inside"]}, set(range(2, 17))),
    ],
)
def test_what_is_removed_is_forgotten_and_what_is_kept_alone_is_all_that_is_known(memory, values, facts):
    with cutting(memory, {"remove": values}):
        assert memory.recalled() == set(range(N_FACTS)) - facts
    with cutting(memory, {"keep": values}):
        assert memory.recalled() == facts
        lost = [fact for fact in range(N_FACTS) if fact not in facts]
        np.testing.assert_allclose(memory.losses()[lost], np.log(N_FACTS), atol=2e-6)
