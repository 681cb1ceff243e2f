import numpy as np

from weightspectra.statistics.multiple import benjamini_hochberg, holm, uncorrected


def test_adjusted_p_values_leave_what_is_none_out():
    p_values = np.array([0.01, np.nan, 0.04, 0.5])
    found = benjamini_hochberg(p_values)
    np.testing.assert_allclose(found[[0, 2, 3]], [0.03, 0.06, 0.5])
    assert np.isnan(found[1])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_holm_agrees_with_the_definition_step_by_step():
    p = np.array([0.04, 0.001, 0.03, 0.2])
    naive, worst = {}, 0.0
    for step, index in enumerate(sorted(range(4), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (4 - step) * p[index]))
        naive[index] = worst
    np.testing.assert_allclose(holm(p), [naive[i] for i in range(4)])
    assert holm(np.array([])).size == 0


def test_what_is_no_number_does_not_count():
    p = np.array([0.01, np.nan, 0.04])
    np.testing.assert_allclose(holm(p), [0.02, np.nan, 0.04])
    np.testing.assert_array_equal(uncorrected(p), p)
