"""Which rules the code of this tree makes run again when it is really edited."""

import json

import pytest
from snake import ROOT, copy_workflow, plan, seem_finished

from weightspectra.base import code, digests
from weightspectra.base.code import Target
from weightspectra.report.exhibits import FIGURES, TABLES

BIRTHS = {"count_characters", "train_birth", "probe_birth", "score_locator", "simulate_memories"}
OF_ROLES = {"extract_weights", "collect_activations", "evaluate_cuts", "outliers", "share_outside", "information"}

MODELS = {"bert": "bert", "llama": "llama", "copy": "llama"}
CONFIG = {
    "models": {
        "bert": {"source": {"hub": {"repo": "some/bert", "revision": "main"}}},
        "llama": {"source": {"hub": {"repo": "some/llama", "revision": "main"}}},
        "copy": {"source": {"renoised": {"like": "llama"}}},
    },
    "corpora": {
        "text": {"source": {"path": "/text"}, "observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}},
    },
    "observe": {"models": ["bert", "llama"], "corpora": ["text"]},
}

EXHIBITS = [*TABLES.values(), *FIGURES.values()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def rerun(tree, monkeypatch):
    """A function: the rules and exhibits whose code changes with an edit of a module, which is taken back."""
    monkeypatch.setattr(code, "PACKAGE", tree / "src" / "weightspectra")

    def of_each():
        scripts = {script.stem: digests.code_digest(script) for script in (tree / "scripts").glob("*.py")}
        return scripts | {exhibit.kind: _of_exhibit(tree, exhibit) for exhibit in EXHIBITS}

    def changed(module, old, new):
        path = tree / "src" / "weightspectra" / module
        original, before = path.read_text(), of_each()
        assert old in original
        try:
            path.write_text(original.replace(old, new))
            return {rule for rule, digest in of_each().items() if digest != before[rule]}
        finally:
            path.write_text(original)

    return changed


def _of_exhibit(tree, exhibit):
    module, _, name = exhibit.maker.partition(":")
    return digests.code_digest(
        tree / "scripts" / "make_table.py", also=[Target(f"weightspectra.report.{module}", name)]
    )


def test_the_schedule_of_classifiers_re_runs_no_birth(rerun):
    found = rerun("finetuning/training.py", "(n_steps - step) / max", "(n_steps - step + 1) / max")
    assert found == {"finetune"}


def test_the_order_of_roles_re_runs_what_shows_roles_and_no_birth(rerun):
    found = rerun("contracts/matrix_key.py", '("query", "key",', '("key", "query",')
    assert found >= OF_ROLES
    assert not found & {*BIRTHS, "decompose", "fit_bulk", "measure_tails", "fetch_corpus"}


def test_settings_of_births_re_run_no_exhibit_without_births(rerun):
    found = rerun("birth/settings.py", "n_iterations: Positive = 400", "n_iterations: Positive = 500")
    assert {"train_birth", "births"} <= found
    assert not found & {"fetch_model", "conclude", "outliers", "spectra", "information", "fine_tuning"}


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
        modules = {target.module for target in digests.dependencies(script)}
        assert script.stem in modules
        assert any(module.startswith("weightspectra.") for module in modules)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which every job of CONFIG seems to have run, and the tree that it ran from."""
    folder = tmp_path_factory.mktemp("finished")
    for model, model_type in MODELS.items():
        config = folder / "results" / "sources" / model / "config.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"model_type": model_type}))
    tree = copy_workflow(folder / "tree")
    seem_finished(folder, tree, CONFIG)
    return folder, tree


@pytest.fixture
def replanned(finished):
    """A function: the jobs of each rule that run again after an edit of a module, which is taken back."""
    folder, tree = finished

    def replan(edits):
        originals = {tree / "src" / "weightspectra" / "models" / module: edit for module, edit in edits.items()}
        before = {path: path.read_text() if path.exists() else None for path in originals}
        try:
            for path, (old, new) in originals.items():
                text = before[path] or ""
                assert old in text
                path.write_text(text.replace(old, new) if old else new)
            return plan(folder, "--configfile", folder / "config.yaml", root=tree)
        finally:
            for path, text in before.items():
                path.unlink() if text is None else path.write_text(text)

    return replan


NEW_ROW = """
from weightspectra.models.families import llama
from weightspectra.models.families.family import Family

_TENSORS = {**llama.ATTENTION, "mlp.c_fc.weight": "up", "mlp.c_proj.weight": "down"}
STARCODER2 = Family("starcoder2", _TENSORS, causal=True)
"""


def test_a_new_architecture_re_runs_nothing(replanned):
    in_a_new_file = {"families/starcoder2.py": ("", NEW_ROW), "families/registry.py": ("phi", "phi, starcoder2")}
    assert replanned(in_a_new_file) == {}
    in_the_same_file = {"families/llama.py": ("LLAMA = ", "ALPACA = Family('alpaca', TENSORS, causal=False)\nLLAMA = ")}
    assert replanned(in_the_same_file) == {}


def test_a_changed_architecture_re_runs_what_reads_its_models_and_no_other(replanned):
    found = replanned({"families/llama.py": ('"mlp.up_proj.weight": "up"', '"mlp.up_proj.weight": "gate"')})
    assert {"extract_weights", "collect_activations", "score_vectors", "simulate_nulls"} <= found.keys()
    assert found["fetch_model"] == 1  # the noisier copy: only what is analysed becomes noisier
    assert found["extract_weights"] == 2
    assert found["collect_activations"] == 1


def test_the_code_of_one_kind_of_source_re_runs_no_other(replanned):
    noise = replanned({"made/renoised.py": ("blocks.max(axis=2)", "blocks.max(axis=-1)")})
    assert noise["fetch_model"] == 1
    assert replanned({"gguf/reading.py": ('ARCHITECTURES = ("llama",)', 'ARCHITECTURES = ("llama", "gemma")')}) == {}


def test_every_rule_that_asks_for_a_model_s_architecture_re_runs_with_its_row():
    """Or else an edited row would leave results of the old one in place, without a word."""
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    asking = {script.stem for script in (ROOT / "scripts").glob("*.py") if _asks_for_row(script)}
    assert asking >= {"extract_weights", "evaluate_cuts", "simulate_nulls"}
    given = {rule for rule in asking if f'code=plan.code("{rule}"),\n        architecture=plan.architecture,' in rules}
    assert asking - given == {"fetch_model"}


def _asks_for_row(script):
    registry = "weightspectra.models.families.registry"
    return any(Target(registry, name) in digests.dependencies(script) for name in ("family_of", "FAMILIES"))
