"""A run of training, killed and gone on with: the same checkpoints and the same rows of learning, once each."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from weightspectra.base.errors import UserError
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.settings import TaskData, Training
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.training.resuming import Kept, rows_of, snapshot_at, train
from weightspectra.birth.training.steps import Trainer, new_model

BIGRAMS = characters.count("the cat sat on the mat; a hat is not that fat, is it? " * 3)
RUN = {"birth": "toy", "seed": 4}
RECIPE = Training.model_validate(
    {
        **{"optimiser": "adamw", "learning_rate": 0.01, "betas": [0.8, 0.95], "weight_decay": 0.01, "batch_size": 3},
        **{"n_iterations": 7, "loss": "in_context", "frozen_until": {WEIGHTS["key_1"]: 5}, "checkpoints": [2, 4]},
    }
)


class Killed(Exception):
    """What ends a run in the middle."""


def trainer():
    sizes = {"dimension": 8, "vocab_size": BIGRAMS.n_characters, "max_position_embeddings": 16}
    model = new_model(BigramConfig(**sizes, characters="".join(BIGRAMS.characters)), 1, 4)
    return Trainer(model, BigramTask.of(TaskData(n_triggers=3, length=16), BIGRAMS), RECIPE, (1, 4))


def trained(folder, key="key", *, killed_at=None):
    """Train, up to a step in which the run is killed; return what is kept."""
    one = trainer()
    step = one.step

    def watched(iteration):
        if iteration == killed_at:
            raise Killed
        steps.append(iteration)
        return step(iteration)

    steps, one.step = [], watched
    try:
        train(one, Kept(folder, key), RUN)
    except Killed:
        assert killed_at is not None
    return Kept(folder, key), steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("whole") / "run")[0]


def test_each_checkpoint_and_each_step_is_kept_once(whole):
    rows = whole.checkpoints()
    assert list(dict.fromkeys(rows["iteration"])) == [0, 2, 4, 7]
    assert not rows.duplicated(["iteration", "parameter"]).any()
    assert set(rows["birth"]) == {"toy"} and set(rows["seed"]) == {4}
    assert set(rows.loc[~rows["trained"], "iteration"]) == {0}
    assert [row["iteration"] for row in whole.learning] == list(range(7))


def test_checkpoints_are_those_of_plain_steps(whole):
    one, rows = trainer(), whole.checkpoints()
    for iteration in range(8):
        if iteration in (0, 2, 4, 7):
            kept, now = snapshot_at(rows, iteration), one.snapshot(iteration)
            for mine, other in zip(kept[1:], now[1:], strict=True):
                assert mine.keys() == other.keys()
                assert all(np.array_equal(mine[name], other[name]) for name in mine)
        if iteration < 7:
            assert one.step(iteration) == whole.learning[iteration]
    assert WEIGHTS["key_1"] not in snapshot_at(rows, 4).momentum  # frozen so far
    assert WEIGHTS["key_1"] in snapshot_at(rows, 7).momentum


@pytest.mark.parametrize(("killed_at", "goes_on_from"), [(0, 0), (1, 0), (2, 2), (5, 4), (6, 4)])
def test_a_killed_run_goes_on_from_its_last_checkpoint(whole, tmp_path, killed_at, goes_on_from):
    trained(tmp_path / "run", killed_at=killed_at)
    kept, steps = trained(tmp_path / "run")
    assert steps == list(range(goes_on_from, 7))
    assert_frame_equal(kept.checkpoints(), whole.checkpoints())
    assert kept.learning == whole.learning
    assert trained(tmp_path / "run")[1] == []


def test_a_checkpoint_that_is_not_what_was_written_is_made_again_with_all_after_it(whole, tmp_path):
    trained(tmp_path / "run")
    [part] = (tmp_path / "run").glob("*000004*")
    part.write_bytes(part.read_bytes()[:-1])
    kept, steps = trained(tmp_path / "run")
    assert steps == list(range(2, 7))
    assert_frame_equal(kept.checkpoints(), whole.checkpoints())
    assert kept.learning == whole.learning


def test_what_another_recipe_has_left_is_not_gone_on_with(tmp_path):
    trained(tmp_path / "run", "another key", killed_at=5)
    assert trained(tmp_path / "run")[1] == list(range(7))


def test_nothing_is_left_of_what_is_removed(tmp_path):
    kept, _ = trained(tmp_path / "run", killed_at=3)
    kept.remove()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_comes_back_from_its_rows():
    one = trainer()
    for iteration in range(6):
        one.step(iteration)
    made = one.snapshot(6)
    rows = pd.DataFrame(rows_of(made, one.model, RUN))
    assert set(rows["parameter"]) == set(made.parameters)
    for mine, other in zip(snapshot_at(rows, 6)[1:], made[1:], strict=True):
        assert mine.keys() == other.keys()
        assert all(np.array_equal(mine[name], other[name]) for name in mine)


@pytest.mark.parametrize(("lost", "said"), [("checkpoints", "missing: 4"), ("iterations", "missing: 2, 3")])
def test_what_is_kept_in_the_end_is_all_that_was_asked(tmp_path, monkeypatch, lost, said):
    add = Kept.add

    def forgetful(kept, rows, learning, iteration):
        if iteration == 4 and lost == "iterations":
            learning = []
        if iteration != 4 or lost != "checkpoints":
            add(kept, rows, learning, iteration)

    monkeypatch.setattr(Kept, "add", forgetful)
    with pytest.raises(UserError, match=rf"^train toy, seed 4: {lost}: expected \d, found \d \({said}\)"):
        trained(tmp_path / "run")
