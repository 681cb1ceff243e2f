"""Which rules the code of this tree makes run again when it is really edited."""

import pytest
from snake import ROOT, copy_workflow

from weightspectra.base import code
from weightspectra.report.exhibits import FIGURES, TABLES

BIRTHS = {"count_characters", "train_birth", "probe_birth", "score_locator", "simulate_memories"}
OF_ROLES = {"extract_weights", "collect_activations", "evaluate_cuts", "outliers", "share_outside", "information"}

EXHIBITS = [*TABLES.values(), *FIGURES.values()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def rerun(tree, monkeypatch):
    """A function: the rules and exhibits whose code changes with an edit of a module, which is taken back."""
    monkeypatch.setattr(code, "PACKAGE", tree / "src" / "weightspectra")

    def digests():
        scripts = {script.stem: code.code_digest(script) for script in (tree / "scripts").glob("*.py")}
        return scripts | {exhibit.kind: _of_exhibit(tree, exhibit) for exhibit in EXHIBITS}

    def changed(module, old, new):
        path = tree / "src" / "weightspectra" / module
        original, before = path.read_text(), digests()
        assert old in original
        try:
            path.write_text(original.replace(old, new))
            return {rule for rule, digest in digests().items() if digest != before[rule]}
        finally:
            path.write_text(original)

    return changed


def _of_exhibit(tree, exhibit):
    module, _, name = exhibit.maker.partition(":")
    return code.code_digest(
        tree / "scripts" / "make_table.py", also=[code.Target(f"weightspectra.report.{module}", name)]
    )


def test_the_schedule_of_classifiers_re_runs_no_birth(rerun):
    found = rerun("finetuning/training.py", "(n_steps - step) / max", "(n_steps - step + 1) / max")
    assert found == {"finetune"}


def test_the_order_of_roles_re_runs_what_shows_roles_and_no_birth(rerun):
    found = rerun("contracts/contract.py", '("query", "key",', '("key", "query",')
    assert found >= OF_ROLES
    assert not found & {*BIRTHS, "decompose", "fit_bulk", "measure_tails", "fetch_corpus"}


def test_words_re_run_nothing(rerun):
    for module, old, new in [
        ("contracts/spectra.py", "all min(n_out, n_in) values, largest first", "singular values, largest first"),
        ("contracts/spectra.py", "One row per weight matrix", "A row for each weight matrix"),
        ("ablation/settings.py", "Which singular values;", "What goes;"),
        ("ablation/settings.py", "The singular values that go.", "Singular values that go."),
        ("spectra/svd.py", '"""Singular value', '"""Some singular value'),
        ("spectra/svd.py", "\n\n\n", "\n\n\n# a comment\n"),
    ]:
        assert rerun(module, old, new) == set(), (module, old)


def test_a_version_of_a_contract_re_runs_who_writes_and_reads_it(rerun):
    found = rerun("contracts/randomness.py", '"tails",\n    ', '"tail",\n    ')
    assert "measure_tails" in found
    assert "decompose" not in found


def test_every_script_is_read_whole(rerun):
    """A rule depends at least on its own script and on contracts."""
    for script in (ROOT / "scripts").glob("*.py"):
        modules = {target.module for target in code.dependencies(script)}
        assert script.stem in modules
        assert any(module.startswith("weightspectra.") for module in modules)
