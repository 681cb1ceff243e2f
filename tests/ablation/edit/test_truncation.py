import numpy as np
import pytest
import torch
from causal_models import tiny_causal
from scipy.linalg import svd

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.edit.truncation import Change, Removal, Stored, edited, spanned, truncated
from weightspectra.ablation.settings import Cut
from weightspectra.contracts import MatrixKey
from weightspectra.models import live
from weightspectra.spectra.deciles import decile_ranks

KEY = MatrixKey(0, "query")


def short_side(weight):
    """All short-side vectors as rows, and the values, by LAPACK in float64."""
    left, values, right = svd(np.asarray(weight, dtype=np.float64), full_matrices=False)
    return (left.T if weight.shape[0] <= weight.shape[1] else right), values


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (40, 40)])
@pytest.mark.parametrize("decile", [1, 5, 10])
def test_equals_exact_truncation(shape, decile):
    weight = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    left, values, right = svd(weight.astype(np.float64), full_matrices=False)
    vectors, _ = short_side(weight)
    gone = decile_ranks(len(values), decile)
    kept = np.setdiff1d(np.arange(len(values)), gone)
    exact = (left[:, kept] * values[kept]) @ right[kept]

    found = truncated(torch.from_numpy(weight), torch.from_numpy(vectors[gone].astype(np.float32))).numpy()

    assert found.dtype == np.float32
    assert np.linalg.norm(found - exact, 2) < 1e-7 * values[0]
    energy = np.square(weight.astype(np.float64) - found).sum()
    assert energy == pytest.approx(np.square(values[gone]).sum(), rel=1e-5)
    assert svd(found.astype(np.float64), compute_uv=False)[len(kept) :].max() < 1e-7 * values[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_leaves_the_matrix_it_was_given_alone(dtype):
    weight = torch.from_numpy(np.random.default_rng(5).standard_normal((6, 8))).to(dtype)
    before = weight.clone()
    vectors, _ = short_side(weight)

    truncated(weight, torch.from_numpy(vectors[:2].astype(np.float32)))

    assert torch.equal(weight, before)


def test_removing_nothing_changes_no_bit():
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(truncated(weight, torch.empty(0, 20)), weight)


def test_result_is_rounded_once_to_the_weights_own_format():
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    vectors, _ = short_side(weight.double().numpy())
    chosen = torch.from_numpy(vectors[:2].astype(np.float32))
    assert truncated(weight, chosen).dtype == torch.bfloat16
    assert torch.equal(truncated(weight, chosen), truncated(weight.double(), chosen).to(torch.bfloat16))


class Fixture:
    """A tiny model with its live matrices and their vectors."""

    def __init__(self, architecture):
        self.model = tiny_causal(architecture)
        self.matrices = live.matrices(self.model)
        found = {key: short_side(matrix.read().numpy()) for key, matrix in self.matrices.items()}
        self.vectors = {key: vectors.astype(np.float32) for key, (vectors, _) in found.items()}
        self.spectra = {key: Spectrum(values, *self.matrices[key].read().shape) for key, (_, values) in found.items()}
        self.tokens = torch.from_numpy(np.random.default_rng(1).integers(3, 90, (3, 12)))

    def bits(self):
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def logits(self):
        with torch.inference_mode():
            return self.model(input_ids=self.tokens, use_cache=False).logits

    def cut(self, cut):
        return edited(self.matrices, cut.edits, Stored(self.vectors.__getitem__))


@pytest.mark.parametrize("architecture", ["GPTNeoX", "GPT2", "Mixtral"])
def test_cuts_and_restores_fused_transposed_and_stacked_matrices(architecture):
    subject = Fixture(architecture)
    before, logits = subject.bits(), subject.logits()
    entries = [Cut(remove={"deciles": [1]}, scope="matrix"), Cut(remove={"deciles": [10]}, scope="all")]
    for cut in plan_cuts(entries, subject.spectra):
        with subject.cut(cut):
            for key, matrix in subject.matrices.items():
                gone = cut.edits[key].ranks if key in cut.edits else []
                left_over = short_side(matrix.read().numpy())[1]
                expected = np.sort(np.delete(subject.spectra[key].singular_values, gone))[::-1]
                np.testing.assert_allclose(left_over[: len(expected)], expected, rtol=1e-5, atol=1e-6)
                assert left_over[len(expected) :].sum() < 1e-5
        after = subject.bits()
        assert all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(subject.logits(), logits)


def test_removing_nothing_leaves_logits_bit_identical():
    subject = Fixture("Llama")
    logits = subject.logits()
    edits = {key: Removal(np.array([], dtype=int), *matrix.read().shape) for key, matrix in subject.matrices.items()}
    with edited(subject.matrices, edits, Stored(dict.__getitem__)):
        assert torch.equal(subject.logits(), logits)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_weights_return_after_an_error(error):
    subject = Fixture("Llama")
    before = subject.bits()
    (cut,) = plan_cuts([Cut(remove={"deciles": [10]}, scope="all")], subject.spectra)
    with pytest.raises(error), subject.cut(cut):
        assert not torch.equal(subject.matrices[MatrixKey(0, "up")].read(), before["model.layers.0.mlp.up_proj.weight"])
        raise error
    after = subject.bits()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_weights_return_when_cutting_itself_fails():
    subject = Fixture("Llama")
    before = subject.bits()
    (cut,) = plan_cuts([Cut(remove={"deciles": [10]}, scope="all")], subject.spectra)
    del subject.vectors[list(cut.edits)[-1]]
    with pytest.raises(KeyError), subject.cut(cut):
        pass
    after = subject.bits()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_order_of_cuts_does_not_matter():
    subject = Fixture("Llama")
    cuts = plan_cuts([Cut(remove={"deciles": [1, 9]}, scope="role")], subject.spectra)

    def logits_in(order):
        found = {}
        for cut in order:
            with subject.cut(cut):
                found[cut.label] = subject.logits().tolist()
        return found

    assert logits_in(cuts) == logits_in(cuts[::-1])


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (40, 40)])
@pytest.mark.parametrize("gone", [[0], [2, 3, 29], range(5, 29), range(30)])
def test_a_removal_leaves_the_other_singular_triplets(shape, gone):
    weight = np.random.default_rng(7).standard_normal(shape)
    left, values, right = svd(weight, full_matrices=False)
    vectors, _ = short_side(weight)
    kept = np.setdiff1d(np.arange(len(values)), gone)
    found = Removal(np.array(gone), *shape)(KEY, torch.from_numpy(weight), Stored(lambda _: vectors)).numpy()
    np.testing.assert_allclose(found, (left[:, kept] * values[kept]) @ right[kept], atol=1e-13)


@pytest.mark.parametrize("shape", [(30, 70), (70, 30)])
def test_what_goes_and_what_stays_add_up(shape):
    weight = torch.from_numpy(np.random.default_rng(7).standard_normal(shape))
    vectors = torch.from_numpy(short_side(weight.numpy())[0][[0, 4, 17]].copy())
    torch.testing.assert_close(truncated(weight, vectors) + spanned(weight, vectors), weight, rtol=0, atol=1e-13)
    assert torch.linalg.matrix_rank(spanned(weight, vectors), rtol=1e-12) == 3


@pytest.mark.parametrize(("rows", "columns"), [(slice(10, 20), None), (None, slice(10, 20))])
@pytest.mark.parametrize("shape", [(30, 70), (70, 30)])
@pytest.mark.parametrize("n_gone", [3, 28])
def test_a_part_loses_what_the_whole_matrix_loses_there(rows, columns, shape, n_gone):
    weight = torch.from_numpy(np.random.default_rng(7).standard_normal(shape))
    stored = Stored(lambda _: short_side(weight.numpy())[0])
    whole = Removal(np.arange(n_gone), *shape)(KEY, weight, stored)
    found = Removal(np.arange(n_gone), *shape, rows, columns)(KEY, weight, stored)
    inside = np.zeros(shape, dtype=bool)
    inside[rows or slice(None), columns or slice(None)] = True
    assert torch.equal(found[inside], whole[inside])
    assert torch.equal(found[~inside], weight[~inside])
    assert not torch.equal(found[inside], weight[inside])


def test_parameters_are_counted_as_two_factors_only_where_these_are_smaller():
    def count(n_gone, **part):
        return Removal(np.arange(n_gone), 40, 60, **part).n_parameters

    assert count(17) == 23 * (40 + 60)  # of 2400
    assert count(16) is None  # 24 ranks take exactly as many as the matrix has
    assert count(40) == 0
    assert count(30, rows=slice(0, 10)) is None


class Held:
    """A matrix on its own, in place of one in a model."""

    def __init__(self, values):
        self.values = values

    def read(self):
        return self.values.clone()

    def write(self, values):
        self.values = values.clone()


def test_a_change_says_the_energy_and_the_parameters_of_all_matrices_named():
    shapes = {MatrixKey(0, "up"): (40, 10), MatrixKey(1, "up"): (10, 40), MatrixKey(0, "query"): (20, 20)}
    rng = np.random.default_rng(3)
    matrices = {key: Held(torch.from_numpy(rng.standard_normal(shape))) for key, shape in shapes.items()}
    found = {key: short_side(matrix.values.numpy()) for key, matrix in matrices.items()}
    gone = {MatrixKey(0, "up"): [8, 9], MatrixKey(1, "up"): [0, 1, 2, 3, 4], MatrixKey(0, "query"): []}
    edits = {key: Removal(np.array(gone[key], dtype=int), *shape) for key, shape in shapes.items()}
    with edited(matrices, edits, Stored(lambda key: found[key][0])) as change:
        pass
    lost = sum(np.square(found[key][1][ranks]).sum() for key, ranks in gone.items())  # Eckart-Young
    total = sum(np.square(values).sum() for _, values in found.values())
    assert change.removed_energy == pytest.approx(lost / total, rel=1e-12)
    # 8 ranks of (40, 10) would be 400 parameters, as many as the matrix; 5 of (10, 40) are 250 of 400
    assert change.kept_parameters == 400 + 250 + 400
    with edited(matrices, {}, Stored(dict.__getitem__)) as change:
        assert change == Change(removed_energy=0.0, kept_parameters=0.0)
