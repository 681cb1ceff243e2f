import numpy as np
import pytest

from weightspectra.conclusions import families
from weightspectra.conclusions.families import FAMILIES, judge
from weightspectra.conclusions.rows import row
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, CLAIMS, DOES_NOT, FINDINGS, HOLDS
from weightspectra.statistics import multiple
from weightspectra.statistics.multiple import CORRECTIONS


def cut(p_value, model="m", **columns):
    return row("change_beside_control", 1.0, model=model, p_value=p_value, n=8, **columns)


def test_families_name_claims_columns_and_corrections_that_exist():
    assert set(FAMILIES) <= set(CLAIMS)
    assert all(set(family.over) <= set(FINDINGS.schema.names) for family in FAMILIES.values())
    assert all(family.correction in CORRECTIONS for family in FAMILIES.values())


def test_levels_do_not_mix():
    """What bears one name is corrected by one method at one level."""
    by_name = {}
    for family in FAMILIES.values():
        by_name.setdefault(family.name, set()).add((family.correction, family.level))
    assert all(len(kinds) == 1 for kinds in by_name.values())
    assert {family.correction: family.level for family in FAMILIES.values() if np.isfinite(family.level)} == {
        "none": families.LEVEL,
        "holm": families.LEVEL,
        "benjamini_hochberg": families.SIGNIFICANT,
    }
    by_configuration = {family for family in FAMILIES.values() if np.isnan(family.level)}
    assert by_configuration == {multiple.VECTORS}


def test_tests_are_corrected_within_their_family_only():
    found = judge([cut(0.01), cut(0.04), cut(0.04, model="other")], "controls")
    np.testing.assert_allclose(found["p_corrected"], [0.02, 0.04, 0.04])
    assert list(found["family_size"]) == [2, 2, 1]
    assert set(found["level"]) == {0.05}


def test_all_three_verdicts():
    found = judge(
        [cut(0.001), cut(0.9), cut(0.001, in_favour=False), cut(0.5, smallest_p=0.5), cut(float("nan"))], "controls"
    )
    assert list(found["verdict"]) == [HOLDS, DOES_NOT, DOES_NOT, CANNOT_BE_TOLD, CANNOT_BE_TOLD]
    assert list(found["why"]) == [
        *["", "", ""],
        "8 are too few: the test has no p-value below 0.5",
        "there is nothing to test",
    ]


def test_what_was_corrected_where_it_was_measured_stays():
    found = judge([row("change_after_cut", 1.0, model="m", p_value=0.01, p_corrected=0.2, n=8)], "cuts")
    assert (found["p_corrected"].item(), found["verdict"].item()) == (0.2, DOES_NOT)


def test_rows_that_no_test_decides_are_left_as_they_are():
    found = judge([row("scored", 3), cut(0.001, judged=False)], "cuts")
    assert (found["verdict"] == "").all()
    assert found["p_corrected"].isna().all()
    assert judge([], "cuts").empty


def test_a_claim_that_is_not_in_the_vocabulary_is_refused():
    with pytest.raises(KeyError, match="nonsense"):
        row("nonsense")
