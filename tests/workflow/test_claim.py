"""What a run makes sure of before its first job."""

import os
import time
from types import SimpleNamespace

import pytest
from claim import Claim


def planned(*inputs, changed=False, touch=False):
    """A workflow of one job that reads these files."""
    job = SimpleNamespace(input=list(map(str, inputs)), output=["results/bulk/mine.parquet"])
    dag, recorded = SimpleNamespace(needrun_jobs=lambda: [job]), SimpleNamespace(params_changed=lambda _: changed)
    return SimpleNamespace(dag=dag, persistence=recorded, touch=touch)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "1901.txt"
    path.write_text("a text")
    return path


def test_inputs_from_the_future_are_refused_with_their_cure(text, tmp_path):
    later = tmp_path / "1902.txt"
    later.touch()
    for path in (text, later):
        os.utime(path, (time.time(), time.time() + 86400))
    said = rf"^error: {text} \(and 1 more\): changed on .*, which is in the future: .* run: touch {text}$"
    with pytest.raises(SystemExit, match=said):
        Claim(tmp_path / "results").make(planned(text, later))
    assert not (tmp_path / "results").exists()


def test_clocks_that_differ_by_seconds_and_inputs_that_are_not_made_yet_are_none(text, tmp_path):
    os.utime(text, (time.time(), time.time() + 30))
    claim = Claim(tmp_path / "results")
    claim.make(planned(text, tmp_path / "to be made"))
    assert [path.name for path in (tmp_path / "results").iterdir()] == [".lock"]
    claim.end()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_second_claim_is_refused_until_the_first_one_ends(text, tmp_path):
    first, second = Claim(tmp_path / "results"), Claim(tmp_path / "results")
    first.make(planned(text))
    with pytest.raises(SystemExit, match=rf"^error: .*results is being written to by process {os.getpid()} on "):
        second.make(planned(text))
    first.end()
    second.make(planned(text))
    second.end()


def test_touch_does_not_call_new_what_was_made_with_other_settings(text, tmp_path):
    claim = Claim(tmp_path / "results")
    said = (
        "^error: results/bulk/mine.parquet: made with another configuration or code than this one, which --touch would"
    )
    with pytest.raises(SystemExit, match=said):
        claim.make(planned(text, changed=True, touch=True))
    claim.make(planned(text, touch=True))
    claim.end()
    claim.make(planned(text, changed=True))
    claim.end()
