"""Removal before and after fine-tuning: what goes, what comes back, what is paired with what, and how a run resumes."""

import numpy as np
import pytest
import torch
from toy_classifier import plan, subject

from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal
from weightspectra.base.seeds import seeded
from weightspectra.finetuning import runs
from weightspectra.finetuning.classification import score_examples
from weightspectra.finetuning.runs import finetune, planned
from weightspectra.finetuning.training import training
from weightspectra.spectra.deciles import decile_ranks


def done(folder, path, wanted=None):
    made = subject(folder)
    return made, finetune(made, *(wanted or plan()), journal=Journal(path / "journal", "k"), label="toy")


@pytest.fixture(scope="module")
def finished(tiny_bert, tmp_path_factory):
    return done(tiny_bert, tmp_path_factory.mktemp("finished"))[1]


def test_one_row_per_run_order_epoch_and_decile(finished):
    found = {(row["order"], row["decile"], row["seed"], row["epoch"]) for row in finished}
    untouched = {("none", 0, seed, epoch) for seed in (0, 1) for epoch in (1, 2)}
    last = {("remove_last", decile, seed, epoch) for decile in (1, 10) for seed in (0, 1) for epoch in (1, 2)}
    first = {("remove_first", decile, 0, epoch) for decile in (1, 10) for epoch in (1, 2)}
    assert found == untouched | last | first and len(finished) == len(found)
    for row in finished:
        assert (row["n_train"], row["n_test"], len(row["right"]), len(row["units"])) == (48, 24, 24, 24)
        assert row["accuracy"] == np.mean(row["right"])
        assert (row["removed_energy"] > 0) == (row["decile"] > 0)


def test_the_share_of_unknown_tokens_is_that_of_both_parts(tiny_bert, tmp_path):
    made = subject(tiny_bert)
    train, test = made.train._replace(unknown_tokens=0.02), made.test._replace(unknown_tokens=0.05)
    rows = finetune(
        made._replace(train=train, test=test),
        *plan(seeds=(1,), epochs=1),
        journal=Journal(tmp_path / "j", "k"),
        label="",
    )
    n_train, n_test = sum(train.lengths), sum(test.lengths)
    [share] = {row["unknown_tokens"] for row in rows}
    assert share == pytest.approx((0.02 * n_train + 0.05 * n_test) / (n_train + n_test), rel=1e-12)


def test_removal_after_an_epoch_shares_its_training_loss(finished):
    losses = {(row["seed"], row["epoch"]): row["train_loss"] for row in finished if row["order"] == "none"}
    after = [row for row in finished if row["order"] == "remove_last"]
    assert all(row["train_loss"] == losses[row["seed"], row["epoch"]] for row in after)
    assert any(row["loss"] != row["train_loss"] for row in after)


def test_a_run_untouched_is_training_without_anything_around_it(tiny_bert, finished):
    """Neither the removals in between, nor earlier runs, leave a trace in weights, optimiser or generators."""
    made = subject(tiny_bert)
    (run,) = (run for run in planned(*plan()) if (run.decile, run.number) == (0, 1))
    rows = [row for row in finished if (row["order"], row["seed"]) == ("none", 1)]
    with seeded(run.seed, torch.device("cpu")):
        made.classifier.new_head()
        losses = training(made.classifier, made.train, plan()[0], run.seed)
        for row, loss in zip(rows, losses, strict=True):
            assert row["train_loss"] == loss
            assert row["loss"] == score_examples(made.classifier, made.test).loss


def test_a_decile_is_gone_when_training_begins_and_the_checkpoint_is_back_in_the_end(tiny_bert, tmp_path, monkeypatch):
    made = subject(tiny_bert)
    before = {name: value.clone() for name, value in made.classifier.encoder.state_dict().items()}
    singular, seen = {key: svdvals(matrix) for key, matrix in made.matrices.items()}, []

    def watched(classifier, *rest):
        seen.append({key: svdvals(matrix) for key, matrix in made.matrices.items()})
        yield from training(classifier, *rest)
        seen.append({key: svdvals(matrix) for key, matrix in made.matrices.items()})

    monkeypatch.setattr(runs, "training", watched)
    rows = finetune(made, *plan([11]), journal=Journal(tmp_path / "journal", "k"), label="toy")
    untouched, _, smallest, refilled, largest, _ = seen
    lost = total = 0
    for key, values in singular.items():
        np.testing.assert_allclose(untouched[key], values, rtol=1e-12)
        n_gone = len(decile_ranks(len(values), 1))
        assert smallest[key][-n_gone:].max() < 1e-6 * values[0]
        np.testing.assert_allclose(smallest[key][:-n_gone], values[:-n_gone], rtol=1e-5, atol=1e-6)
        assert refilled[key][-1] > 1e-5 * values[0]
        gone = decile_ranks(len(values), 10)
        np.testing.assert_allclose(largest[key][: -len(gone)], np.delete(values, gone), rtol=1e-5, atol=1e-6)
        lost, total = lost + np.square(values[-n_gone:]).sum(), total + np.square(values).sum()
    energy = {(row["order"], row["decile"]): row["removed_energy"] for row in rows if row["epoch"] == 1}
    assert energy["remove_first", 1] == pytest.approx(lost / total, rel=1e-4)
    assert energy["remove_last", 1] != energy["remove_first", 1]
    assert energy["remove_last", 1] == pytest.approx(lost / total, rel=0.5)
    for name, value in made.classifier.encoder.state_dict().items():
        assert torch.equal(value, before[name])


def svdvals(matrix):
    return torch.linalg.svdvals(matrix.read().double()).numpy()


def test_removal_last_takes_the_fine_tuned_values_and_gives_the_bits_back(tiny_bert, tmp_path, monkeypatch):
    made, tested = subject(tiny_bert), []

    def watched(classifier, examples):
        tested.append({key: matrix.read() for key, matrix in made.matrices.items()})
        return score_examples(classifier, examples)

    monkeypatch.setattr(runs, "score_examples", watched)
    finetune(made, *plan([11], epochs=1), journal=Journal(tmp_path / "journal", "k"), label="toy")
    tuned, smallest, largest, *_ = tested
    for key, weight in tuned.items():
        left, values, right = np.linalg.svd(weight.double().numpy(), full_matrices=False)
        for decile, found in ((1, smallest[key]), (10, largest[key])):
            kept = np.delete(np.arange(len(values)), decile_ranks(len(values), decile))
            expected = (left[:, kept] * values[kept]) @ right[kept]
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 * values[0])


def test_runs_of_one_seed_have_the_same_head_and_order(tiny_bert, tmp_path, monkeypatch):
    heads, batches = [], []

    def watched(classifier, *rest):
        heads.append(classifier.head.weight.detach().numpy().tobytes())
        forward, seen = classifier._padded, []
        monkeypatch.setattr(
            classifier, "_padded", lambda rows: (seen.append([id(row) for row in rows]), forward(rows))[1]
        )
        for loss in training(classifier, *rest):
            batches.append([batch for batch in seen if len(batch) <= 8])
            yield loss

    monkeypatch.setattr(runs, "training", watched)
    done(tiny_bert, tmp_path, plan(epochs=1))
    of_seed_11, of_seed_12, *removed = heads
    assert of_seed_11 != of_seed_12 and set(removed) == {of_seed_11}
    assert batches[0] != batches[1] and batches[2] == batches[0]


def test_an_interrupted_job_goes_on_where_it_was(tiny_bert, tmp_path, monkeypatch, finished, capsys):
    append, written = Journal.append, []

    def killed_after_two(journal, row):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append((row["decile"], row["number"]))
        return append(journal, row)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "append", killed_after_two)
        done(tiny_bert, tmp_path)
    assert written == [(0, 0), (0, 1)]
    begun, started = runs.training, []
    monkeypatch.setattr(runs, "training", lambda *args: started.append(args[-1]) or begun(*args))
    assert done(tiny_bert, tmp_path)[1] == finished
    assert started == [11, 11]
    assert "2 of 4 runs were finished before" in capsys.readouterr().err


def test_a_removal_that_keeps_nothing_in_common_with_the_task_hurts(finished):
    """The largest tenth of every matrix is most of a model: without it, fine-tuned knowledge is gone."""
    accuracy = {(row["order"], row["decile"]): row["accuracy"] for row in finished if row["epoch"] == 2}
    assert accuracy["remove_last", 10] < accuracy["none", 0]


def test_a_decoder_is_fine_tuned_alike(tiny_llama, tmp_path):
    _, rows = done(tiny_llama, tmp_path, plan([11], epochs=1, deciles=[1]))
    assert [row["order"] for row in rows] == ["none", "remove_last", "remove_first"]
    assert all(np.isfinite(row["loss"]) for row in rows)


def test_a_journal_that_lacks_an_epoch_is_no_result(tiny_bert, tmp_path, finished):
    whole = Journal(tmp_path / "journal", "k")
    for run in planned(*plan()):
        rows = [row for row in finished if row["seed"] == run.number and run.decile == first_decile(row)]
        whole.append({"decile": run.decile, "number": run.number, "rows": rows[: -1 if run.decile == 10 else None]})
    with pytest.raises(
        UserError, match=r"^toy: scores: expected 16, found 15 \(missing: \('remove_first', 10, 0, 2\)\); not"
    ):
        done(tiny_bert, tmp_path)


def first_decile(row):
    """Return the decile that a row's run removed first."""
    return row["decile"] if row["order"] == "remove_first" else 0
