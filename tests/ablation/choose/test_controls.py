import numpy as np
import pytest

from weightspectra.ablation.choose.controls import Unmatched, controls, same_count, same_energy, window
from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.settings import Cut
from weightspectra.contracts import MatrixKey

DOWN = MatrixKey(0, "down")
SQUARES = [400, 100, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 0.25, 0.25]
"""Two values above the bulk of ranks 2 to 10, three below it."""


def spectrum(n_below=3, n_above=2, squares=SQUARES):
    outside = {"asymptotic": (n_below, n_above), "calibrated": (n_below - 2, n_above - 1)}
    return Spectrum(np.sqrt(squares), len(squares), 20, outside)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([11, 12, 13], [8, 9, 10]),  # below the bulk: its smallest values
        ([9, 10, 11, 12, 13], [4, 5, 6, 7, 8]),  # below and two of the bulk: those just above the cut's own
        ([9, 10], [7, 8]),
        ([6, 7], [9, 10]),
        ([8, 9], [7, 10]),  # one on either side of it
        ([0, 1], [9, 10]),
    ],
)
def test_same_count_takes_the_smallest_values_that_the_cut_leaves_in_the_bulk(taken, expected):
    assert same_count(np.array(taken), spectrum(), bounds="asymptotic").tolist() == expected


def test_calibrated_bounds_make_another_bulk():
    assert same_count(np.array([13]), spectrum(), bounds="asymptotic").tolist() == [10]
    assert same_count(np.array([13]), spectrum(), bounds="calibrated").tolist() == [12]
    assert same_energy(np.array([13]), spectrum(), bounds="calibrated").tolist() == [12]


def test_same_count_needs_as_many_other_values():
    assert len(same_count(np.arange(2, 6), spectrum(), bounds="asymptotic")) == 4
    with pytest.raises(Unmatched, match="takes 5 values, and leaves 4 in the bulk"):
        same_count(np.arange(2, 7), spectrum(), bounds="asymptotic")


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([11, 12, 13], [10]),  # 1.5: 1 alone is nearer than 1 + 2
        ([2], [7, 8, 9, 10]),  # 9: 1 + 2 + 3 + 4 = 10 is nearer than 6
        ([8], [9, 10]),  # 3 = 2 + 1, not its own value
        ([9], [10]),  # 2: 1 is nearer than 1 + 3
        ([0], [*range(1, 11)]),  # 400: all others hold 145 ...
    ],
)
def test_same_energy_adds_values_upwards_from_the_bulks_lower_end(taken, expected):
    if taken == [0]:
        with pytest.raises(Unmatched, match=r"hold 400 .*leaves 145"):
            same_energy(np.array(taken), spectrum(), bounds="asymptotic")
    else:
        assert same_energy(np.array(taken), spectrum(), bounds="asymptotic").tolist() == expected


def test_same_energy_may_pass_the_upper_bound_and_takes_at_least_one_value():
    assert same_energy(np.array([1]), spectrum(squares=[60, 100, *SQUARES[2:]]), bounds="asymptotic").tolist() == [
        0,
        *range(2, 11),
    ]
    tiny = spectrum(squares=[*SQUARES[:11], 1e-6, 1e-6, 1e-6])
    assert same_energy(np.array([13]), tiny, bounds="asymptotic").tolist() == [10]
    with pytest.raises(Unmatched, match="leaves 0"):
        same_energy(np.arange(14), spectrum(), bounds="asymptotic")


def test_energies_match_as_nearly_as_whole_values_can():
    rng = np.random.default_rng(4)
    for _ in range(50):
        values = np.sort(rng.gamma(2.0, size=60))[::-1]
        found = Spectrum(values, 60, 60, {"asymptotic": (int(rng.integers(5)), int(rng.integers(10)))})
        first = int(rng.integers(10, 50))
        taken = np.arange(first, first + 5)
        control = same_energy(taken, found, bounds="asymptotic")
        assert not set(control) & set(taken) and control.max() < 60 - found.outside["asymptotic"][0]
        missed = abs(np.square(values[control]).sum() - np.square(values[taken]).sum())
        smaller = np.setdiff1d(np.arange(60 - found.outside["asymptotic"][0]), taken)[::-1]
        for count in range(1, len(smaller)):
            assert missed <= abs(np.square(values[smaller[:count]]).sum() - np.square(values[taken]).sum()) + 1e-12


def test_windows_reach_every_place_beside_the_cut_and_no_other():
    taken = np.array([5, 6, 7])
    places = {
        tuple(window(taken, spectrum(), position=position)) for position in np.linspace(0, 1, 500, endpoint=False)
    }
    assert places == {(first, first + 1, first + 2) for first in (0, 1, 2, 8, 9, 10, 11)}
    with pytest.raises(Unmatched, match="no 8 values in a row"):
        window(np.arange(8), spectrum(), position=0.5)


def planned(entries, model="tiny", seed=1, spectra=None):
    return plan_cuts([Cut(**entry) for entry in entries], spectra or {DOWN: spectrum()}, seed=seed, model=model)


def ranks(cuts):
    return {cut.label: cut.edits[DOWN].ranks.tolist() for cut in cuts}


BELOW = {"remove": {"region": ["below"]}, "controls": ["random", "same_count", "same_energy"], "n_random": 2}


def test_each_control_follows_its_cut_and_names_it():
    cuts = planned([BELOW, {"remove": {"indices": [0, 0]}}])
    label = "below of down"
    assert [(cut.label, cut.control_of) for cut in cuts] == [
        (label, ""),
        (f"random window 1 like {label}", label),
        (f"random window 2 like {label}", label),
        (f"same count as {label}", label),
        (f"same energy as {label}", label),
        ("indices 0-0 of down", ""),
    ]
    assert [cut.removed for cut in cuts[2:4]] == ["random window 2 like below", "same count as below"]
    assert {cut.decile for cut in cuts} == {0} and {cut.scope for cut in cuts} == {"role"}
    assert ranks(cuts)[f"same count as {label}"] == [8, 9, 10]


def test_controls_of_what_is_kept_keep_what_matches_it():
    cuts = planned([{"keep": {"region": ["below"]}, "controls": ["same_count"]}])
    assert [cut.label for cut in cuts] == ["only below of down", "same count as only below of down"]
    assert [cut.removed for cut in cuts] == ["all but below", "all but same count as below"]
    assert ranks(cuts)["only below of down"] == [*range(11)]
    assert ranks(cuts)["same count as only below of down"] == [*range(8), 11, 12, 13]


def test_a_cut_described_again_with_controls_has_them_behind_it():
    plain = {"remove": {"region": ["below", "above"]}}
    labels = [cut.label for cut in planned([plain, BELOW | {"controls": ["same_count"]}])]
    assert labels == ["below of down", "same count as below of down", "above of down"]


def test_bounds_other_than_the_published_ones_are_named():
    entries = [BELOW | {"bounds": bounds, "controls": ["same_count"]} for bounds in ("asymptotic", "calibrated")]
    decile = {"remove": {"deciles": [2]}, "bounds": "calibrated", "controls": ["same_count", "random"], "n_random": 1}
    found = ranks(planned([*entries, decile]))
    assert list(found) == [
        "below of down",
        "same count as below of down",
        "below (calibrated) of down",
        "same count as below (calibrated) of down",
        "decile 2 of down",
        "same count as decile 2 of down (calibrated)",
        "random window 1 like decile 2 of down",
    ]
    assert found["below (calibrated) of down"] == [13]
    assert found["same count as below (calibrated) of down"] == [12]


def test_windows_depend_on_seed_model_and_cut_but_not_on_other_cuts():
    wide = {DOWN: Spectrum(np.linspace(2, 1, 1000), 1000, 1000, {"asymptotic": (10, 10)})}
    alone = ranks(planned([BELOW], spectra=wide))
    among = ranks(
        planned([{"remove": {"deciles": [3]}, "controls": ["random"]}, BELOW | {"n_random": 3}], spectra=wide)
    )
    assert all(among[label] == taken for label, taken in alone.items())
    name = "random window 1 like below of down"
    others = [alone["random window 2 like below of down"], among["random window 1 like decile 3 of down"][:10]]
    others += [ranks(planned([BELOW], **changed, spectra=wide))[name] for changed in ({"seed": 2}, {"model": "other"})]
    assert alone[name] not in others


def test_a_window_lies_at_the_same_place_in_all_matrices_of_a_cut():
    twins = {MatrixKey(layer, "down"): spectrum() for layer in range(4)}
    _, control = planned([BELOW | {"controls": ["random"], "n_random": 1}], spectra=twins)
    first, *others = [edit.ranks.tolist() for edit in control.edits.values()]
    assert others == [first] * 3


def test_a_control_that_cannot_be_built_is_left_out_with_a_line(capsys):
    cuts = planned([{"remove": {"region": ["inside"]}, "controls": ["same_count", "same_energy", "random"]}])
    assert [cut.label for cut in cuts] == ["inside of down", "same energy as inside of down"]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 + 3
    assert said[0].startswith("cuts: 'same count as inside of down' is left out: layer 0 'down': the cut takes 9")


def test_a_cut_of_nothing_has_no_controls_and_says_so_once(capsys):
    cuts = planned([BELOW], spectra={DOWN: spectrum(n_below=0)})
    assert [cut.label for cut in cuts] == ["below of down"]
    assert capsys.readouterr().err == "cuts: 'below of down' has no controls: there are no such values\n"


def test_a_matrix_without_such_values_is_left_alone_by_the_control_too():
    both = {MatrixKey(0, "down"): spectrum(), MatrixKey(1, "down"): spectrum(n_below=0)}
    for control in planned([BELOW], spectra=both)[1:]:
        assert [edit.n_removed > 0 for edit in control.edits.values()] == [True, False]


def test_controls_come_in_the_order_asked():
    names = [
        control.name for control in controls(["same_energy"], "x", bounds="asymptotic", n_random=1, seed=1, model="m")
    ]
    assert names == ["same energy as"]
