import numpy as np
import pytest
import torch
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation import evaluation
from weightspectra.ablation.cuts import plan_cuts
from weightspectra.ablation.evaluation import Subject, evaluate
from weightspectra.ablation.journal import Journal
from weightspectra.ablation.selection import Spectrum
from weightspectra.activations.windows import Window
from weightspectra.errors import UserError
from weightspectra.models import live

ENTRIES = [{"remove": {"outside": ["below", "above"]}}, {"remove": {"deciles": [10]}, "scope": "all"}]


@pytest.fixture
def subject():
    model = tiny_causal("Llama")
    matrices = live.matrices(model)
    vectors, spectra = {}, {}
    for key, matrix in matrices.items():
        weight = matrix.read().double().numpy()
        left, values, right = np.linalg.svd(weight, full_matrices=False)
        vectors[key] = (left.T if weight.shape[0] <= weight.shape[1] else right).astype(np.float32)
        spectra[key] = Spectrum(values, 0 if key.role == "query" else 2, 1)
    return Subject(model, matrices, spectra, vectors.__getitem__, "cpu")


@pytest.fixture
def windows():
    rng = np.random.default_rng(2)
    return [Window(f"d{index // 2}", rng.integers(3, VOCABULARY, 15).tolist(), 14) for index in range(6)]


def run(subject, windows, path, cuts):
    return evaluate(subject, cuts, windows, batch_size=4, journal=Journal(path, "key"), label="evaluate tiny")


def test_each_cut_is_measured_against_the_untouched_model(subject, windows, tmp_path, monkeypatch):
    scored = []
    real = evaluation.score
    monkeypatch.setattr(evaluation, "score", lambda *args, **options: scored.append(1) or real(*args, **options))
    cuts = plan_cuts(ENTRIES, subject.spectra)
    rows = run(subject, windows, tmp_path / "journal", cuts)
    assert [row["cut"] for row in rows] == ["none", *(cut.label for cut in cuts)]
    assert len(scored) == len(rows) - 1  # the cut that removes nothing is the untouched model
    nothing = next(row for row in rows if row["cut"] == "below of query")
    assert nothing["n_removed"] == nothing["removed_energy"] == nothing["difference"] == nothing["difference_se"] == 0
    assert nothing["document_nll"] == rows[0]["document_nll"]
    assert all(row["difference"] == row["value"] - rows[0]["value"] for row in rows)
    assert all(row["difference"] != 0 for row in rows[1:] if row["n_removed"])


def test_finished_cuts_are_not_measured_again_and_others_are_added(subject, windows, tmp_path, monkeypatch):
    cuts = plan_cuts(ENTRIES, subject.spectra)
    fresh = run(subject, windows, tmp_path / "fresh", cuts)
    run(subject, windows, tmp_path / "journal", cuts[5:8])
    scored = []
    real = evaluation.score
    monkeypatch.setattr(evaluation, "score", lambda *args, **options: scored.append(1) or real(*args, **options))
    assert run(subject, windows, tmp_path / "journal", cuts) == fresh
    assert len(scored) == len(fresh) - 1 - 1 - 3


def test_removed_energy_is_what_the_weights_lose(subject, windows, tmp_path, monkeypatch):
    (cut,) = plan_cuts([{"remove": {"deciles": [9]}, "scope": "all"}], subject.spectra)
    matrices, lost = subject.matrices, []
    before = {key: matrix.read().double() for key, matrix in matrices.items()}

    def note(*args, **options):
        lost.append(
            sum(float((matrix.read() - before[key]).square().sum()) for key, matrix in subject.matrices.items())
        )
        return real(*args, **options)

    real = evaluation.score
    monkeypatch.setattr(evaluation, "score", note)
    rows = run(subject, windows, tmp_path / "journal", [cut])
    total = sum(float(weight.square().sum()) for weight in before.values())
    assert lost[0] == 0
    assert rows[1]["removed_energy"] == pytest.approx(lost[1] / total, rel=1e-4)


def test_an_untouched_model_that_overflows_is_refused(subject, windows, tmp_path):
    subject.model.get_input_embeddings().weight.data *= torch.nan
    with pytest.raises(UserError, match=r"after cut 'none' is nan.*set the experiment's dtype to float32"):
        run(subject, windows, tmp_path / "journal", [])


def test_a_cut_that_overflows_is_reported_and_the_others_go_on(subject, windows, tmp_path, capsys):
    cuts = plan_cuts([{"remove": {"deciles": [10, 1]}, "roles": ["up"]}], subject.spectra)
    broken = {key: np.full((32, 32), np.nan, dtype=np.float32) for key in cuts[0].indices}
    calls = iter([broken.__getitem__] * len(cuts[0].indices) + [subject.vectors] * len(cuts[1].indices))
    faulty = subject._replace(vectors=lambda key: next(calls)(key))
    rows = run(faulty, windows, tmp_path / "journal", cuts)
    assert np.isnan(rows[1]["value"]) and np.isfinite(rows[2]["value"])
    assert "after cut 'decile 10 of up' is nan" in capsys.readouterr().err


def test_the_edited_model_may_be_in_half_precision(subject, windows, tmp_path):
    subject.model.to(torch.bfloat16)
    rows = run(subject, windows, tmp_path / "journal", plan_cuts(ENTRIES[1:], subject.spectra))
    assert rows[1]["difference"] != 0


def test_one_document_alone_gives_no_standard_errors_and_says_so(subject, windows, tmp_path, capsys):
    rows = run(subject, windows[:2], tmp_path / "journal", plan_cuts(ENTRIES[1:], subject.spectra))
    assert all(np.isnan([row["standard_error"], row["difference_se"]]).all() for row in rows)
    assert "all windows come from one document" in capsys.readouterr().err
