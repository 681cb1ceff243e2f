"""The export_cut script: one cut as a folder that transformers loads, with its card."""

import json
import shutil
from pathlib import Path

import export_cut
import numpy as np
import pytest
import torch
import transformers
from evaluate_cuts_job import write_inputs
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.ablation.export import exporting
from weightspectra.base.errors import UserError
from weightspectra.models import loading

LABEL, CONTROL = "only decile 10 of down", "same count as only decile 10 of down"
EXPERIMENT = {
    "models": ["tiny"],
    "dtype": "float32",
    "cuts": [{"keep": {"deciles": [10]}, "roles": ["down"], "controls": ["same_count"]}],
}


@pytest.fixture
def folder(tmp_path, tiny_llama):
    shutil.copytree(tiny_llama, tmp_path / "tiny")
    write_inputs(tmp_path, loading.load(tiny_llama, head="causal"))
    rows = []
    for cut, control_of, value in (("none", "", 20.0), (LABEL, "", 44.0), (CONTROL, LABEL, 31.0)):
        known = {"model": "tiny", "experiment": "test", "cut": cut, "control_of": control_of, "value": value}
        known |= {"metric": "perplexity_per_token", "difference": value - 20.0, "higher_is_better": False}
        known |= {"difference_low": value - 21.0, "difference_high": value - 19.0, "q_value": 0.0123}
        rows.append(filled(contracts.EVALUATIONS, **known))
    contracts.EVALUATIONS.write(rows, tmp_path / "evaluations.parquet", {})
    return tmp_path


def export_job(folder, cut="only-decile-10-of-down"):
    names = {"source": "tiny", "spectra": "spectra", "vectors": "vectors", "bulk": "bulk", "evaluations": "evaluations"}
    files = {name: str(folder / f"{file}.parquet") for name, file in names.items()}
    return job(
        "export_cut",
        Files(**files, information=[], moments=[]),
        Files(str(folder / "exports" / cut)),
        wildcards={"model": "tiny", "experiment": "test", "cut": cut},
        seed=1,
        device="cpu",
        remote_code=False,
        fused_split="interleaved",
        experiment=EXPERIMENT,
    )


def test_the_folder_holds_a_model_a_smaller_copy_and_a_card(folder):
    smk = export_job(folder)
    export_cut.main(smk)
    target = Path(smk.output[0])
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in target.rglob("*") if path.is_file())

    loaded = transformers.AutoModelForCausalLM.from_pretrained(target)
    transformers.AutoTokenizer.from_pretrained(target)
    original = transformers.AutoModelForCausalLM.from_pretrained(folder / "tiny")
    for (name, before), (_, after) in zip(original.named_parameters(), loaded.named_parameters(), strict=True):
        if "down_proj" in name:
            values = np.linalg.svd(before.detach().double().numpy(), compute_uv=False)
            kept = np.linalg.svd(after.detach().double().numpy(), compute_uv=False)
            np.testing.assert_allclose(kept[:3], values[:3], rtol=1e-6)
            assert kept[3] < 1e-6 * kept[0]
        else:
            assert torch.equal(before, after)
    assert len(json.loads((target / "factorised" / "ranks.json").read_text())) == 2


def test_the_card_says_what_was_removed_and_what_it_cost(folder):
    smk = export_job(folder)
    export_cut.main(smk)
    card = (Path(smk.output[0]) / "README.md").read_text()
    assert card.startswith("# tiny: only decile 10 of down\n")
    assert "| perplexity_per_token | 20 | 44 | +24 | +23 to +25 | 0.012 | lower |" in card
    assert f"| {CONTROL} | perplexity_per_token | 20 | 31 | +11 | +10 to +12 | 0.012 | lower |" in card
    assert "from 2 matrices: down; layers 0-1" in card and "singular values removed: 58" in card
    assert 'AutoModelForCausalLM.from_pretrained("THIS_FOLDER")' in card and "load_factorised import load" in card
    stamp = json.loads((Path(smk.output[0]) / "provenance.json").read_text())
    assert stamp["rule"] == "export_cut" and stamp["sources"]["tiny"] == {"revision": "r"}


def test_a_control_can_be_exported_too(folder):
    smk = export_job(folder, "same-count-as-only-decile-10-of-down")
    export_cut.main(smk)
    assert (Path(smk.output[0]) / "README.md").read_text().startswith(f"# tiny: {CONTROL}\n")


def test_an_unknown_cut_is_refused_before_the_model_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(loading, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match=r"no cut 'decile 10 of down' .*perhaps 'only decile 10 of down'"):
        export_cut.main(export_job(folder, "decile-10-of-down"))


def test_a_failure_leaves_no_folder(folder, monkeypatch):
    smk = export_job(folder)
    monkeypatch.setattr(exporting, "factors", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_cut.main(smk)
    assert list(Path(smk.output[0]).parent.iterdir()) == []
