import numpy as np
import pytest

from weightspectra.activations.overlap import BAND, measure_overlaps, null_band

PUBLISHED = {  # from an independent calculation
    768: (0.0949, 0.1198, 0.1725),
    1024: (0.0852, 0.1062, 0.1512),
    3072: (0.0554, 0.0665, 0.0911),
    4096: (0.0493, 0.0588, 0.0798),
    14336: (0.0293, 0.0339, 0.0446),
}


def orthogonal(dimension, seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension, dimension)))
    return q


@pytest.mark.parametrize("dimension", PUBLISHED)
def test_null_bands_are_those_of_the_table(dimension):
    assert null_band(dimension) == pytest.approx(PUBLISHED[dimension], abs=5.1e-5)


@pytest.mark.parametrize(("dimension", "tolerance"), [(64, 0.18), (768, 0.03)])
def test_null_bands_are_those_of_random_unit_vectors(dimension, tolerance):
    rng = np.random.default_rng(dimension)
    blocks = [rng.standard_normal((5000, dimension)) for _ in range(8)]
    units = [block / np.linalg.norm(block, axis=1, keepdims=True) for block in blocks]
    largest = np.concatenate([np.abs(block).max(axis=1) for block in units])
    assert null_band(dimension) == pytest.approx(np.quantile(largest, BAND), rel=tolerance)
    assert null_band(dimension)[1] == pytest.approx(np.median(largest), rel=0.01)


def test_overlaps_are_those_of_the_definition():
    rng = np.random.default_rng(2)
    vectors, eigenvectors = orthogonal(24, 0)[:10], orthogonal(24, 1)
    found = measure_overlaps(vectors, eigenvectors)
    for k in range(10):
        products = [float(np.dot(vectors[k], eigenvectors[j])) for j in range(24)]
        assert found.overlap[k] == pytest.approx(max(abs(p) for p in products), rel=1e-5)
        assert found.overlap_signed[k] == pytest.approx(max(products), rel=1e-5)
        assert abs(products[found.component[k]]) == pytest.approx(found.overlap[k], rel=1e-5)
        assert found.localisation[k] == pytest.approx(max(abs(x) for x in vectors[k]), rel=1e-5)
    flipped = measure_overlaps(vectors * rng.choice([-1, 1], (10, 1)), eigenvectors)
    np.testing.assert_array_equal(flipped.overlap, found.overlap)
    np.testing.assert_array_equal(flipped.component, found.component)
    np.testing.assert_array_equal(flipped.localisation, found.localisation)


def test_vectors_that_are_eigenvectors_overlap_fully():
    eigenvectors = orthogonal(300, 3)
    order = np.random.default_rng(4).permutation(300)[:50]
    signs = np.where(np.arange(50) % 2, 1.0, -1.0)
    found = measure_overlaps(signs[:, None] * eigenvectors[order], eigenvectors)
    np.testing.assert_allclose(found.overlap, 1, atol=1e-5)
    np.testing.assert_array_equal(found.component, order)
    np.testing.assert_allclose(found.overlap_signed[signs > 0], 1, atol=1e-5)
    assert (found.overlap_signed[signs < 0] < 0.5).all()


@pytest.mark.parametrize("wrong", ["vectors", "eigenvectors"])
def test_a_transposed_side_does_not_go_unnoticed(wrong):
    vectors = eigenvectors = orthogonal(300, 5)
    sides = {"vectors": vectors, "eigenvectors": eigenvectors}
    sides[wrong] = sides[wrong].T
    assert measure_overlaps(**sides).overlap.max() < 0.5


def test_random_vectors_lie_in_the_band_for_any_number_of_blocks():
    vectors = np.random.default_rng(6).standard_normal((2500, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    low, median, high = null_band(256)
    found = measure_overlaps(vectors, orthogonal(256, 7))
    assert len(found.overlap) == 2500
    assert np.mean(found.overlap > high) < 0.004
    assert np.mean(found.overlap < low) < 0.004
    assert np.mean(found.overlap < median) == pytest.approx(0.5, abs=0.04)
    for size in (100, 1024, 2400):
        some = measure_overlaps(vectors[:size], orthogonal(256, 7)).overlap
        np.testing.assert_allclose(some, found.overlap[:size], rtol=1e-5)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="vectors of 5 components, but eigenvectors of shape"):
        measure_overlaps(np.eye(5), np.eye(6))
