import numpy as np
import pandas as pd
from fake_birth import DELAY, FakeBirth, frames

from weightspectra.conclusions.births import events

NAN = float("nan")


def runs(values, name="value"):
    """One birth, a run for each row of values, a checkpoint every ten iterations."""
    return pd.DataFrame(
        [
            {"birth": "small", "seed": seed, "iteration": 10 * step, name: value}
            for seed, row in enumerate(values)
            for step, value in enumerate(row)
        ]
    )


def probes(values):
    return runs(values).assign(probe=events.INDUCTION, outputs="")


def locations(values):
    return runs(values, "n_located").assign(matrix="key_2", locator="blind")


def test_an_induction_head_forms_where_accuracy_stays_high():
    formed = events.formed_from(probes([[0, 0.6, 0.4, 0.5, 0.9], [0, 0.1, 0.2, 0.6, 0.4], [0.5, 0.6, 0.6, 0.6, 0.6]]))
    assert formed.loc[("small", 0)] == 30
    assert np.isnan(formed.loc[("small", 1)])
    assert formed.loc[("small", 2)] == 0


def test_other_probes_and_other_outputs_do_not_form_an_induction_head():
    rows = probes([[0, 0.1]])
    other = pd.concat(
        [rows, rows.assign(value=1.0, outputs="bigram"), rows.assign(value=1.0, probe="in_context_accuracy")]
    )
    assert np.isnan(events.formed_from(other)).all()
    assert events.final_probe(other, events.INDUCTION).to_list() == [0.1]


def test_what_is_located_in_the_initialisation_or_does_not_last_does_not_count():
    located = events.located_from(locations([[0, 1, 0, 1, 2], [1, 1, 1, 2, 2], [1, 1, 1, 1, 1]]))
    assert located.loc[("small", 0, "key_2", "blind")] == 30
    assert located.loc[("small", 1, "key_2", "blind")] == 30
    assert np.isnan(located.loc[("small", 2, "key_2", "blind")])


def test_of_several_runs_the_one_in_the_middle_says_from_where_on_values_are_located():
    first, second, third, never = [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]
    for several, middle in [
        ([second, first, third], 20),
        ([first, second], 20),  # the later of two
        ([first, never, never], NAN),
        ([first, never, third], 30),
    ]:
        found = events.located_from_in_median_run(locations(several))
        assert found.index.to_list() == [("small", "key_2", "blind")]
        np.testing.assert_equal(found.iloc[0], middle)


def test_a_lead_is_the_distance_of_checkpoints_and_zero_at_the_same_one():
    rows = events.leads(
        locations([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]), probes([[0, 0, 1, 1]] * 4), "blind"
    )
    assert rows["lead"].to_list()[:3] == [10, 0, -10]
    assert np.isnan(rows["lead"].iloc[3])
    assert rows["formed"].eq(20).all()
    assert events.leads(locations([[0, 1]]), probes([[0, 1]]), "informed").empty


def test_the_order_of_rows_does_not_matter():
    birth = FakeBirth(seeds=(0, 1))
    found = frames(birth)
    mixed = {name: rows.sample(frac=1, random_state=3) for name, rows in found.items()}
    one, other = (
        events.leads(rows["locations"], rows["probes"], "blind").sort_values(["seed", "matrix"]).reset_index(drop=True)
        for rows in (found, mixed)
    )
    pd.testing.assert_frame_equal(one, other)


def test_a_birth_that_is_planted_late_is_found_late():
    birth = FakeBirth(formed=150)
    checkpoints = birth.settings.training.checkpoints
    formed = events.formed_from(frames(birth)["probes"])
    for seed in birth.seeds:
        middle = 150 + DELAY * seed
        assert formed.loc[("small", seed)] == next(step for step in checkpoints if step > middle)
    assert events.distance(frames(birth)["probes"]) == max(
        formed.loc[("small", seed)] - max(step for step in checkpoints if step < formed.loc[("small", seed)])
        for seed in birth.seeds
    )
