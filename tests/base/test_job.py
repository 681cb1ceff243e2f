"""Jobs: log file, one-line errors, no network, provenance."""

import errno
import os
import re
import socket
import sys
from types import SimpleNamespace

import pytest

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.base.errors import UserError


@pytest.fixture
def smk(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "logs" / "job.log")], output=[str(tmp_path / "results" / "a.parquet")])


@pytest.fixture(autouse=True)
def unchanged_environment(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())


def log_of(smk):
    with open(smk.log[0]) as stream:
        return stream.read()


def test_what_a_job_says_goes_to_the_terminal_and_the_log(smk, capsys):
    job.run(lambda _: print("half way", file=sys.stderr), smk)
    assert capsys.readouterr().err == "half way\n" == log_of(smk)


def test_a_user_error_is_one_line_and_exit_code_1(smk, capsys):
    def main(_):
        raise UserError("model bert: no such folder")

    before = sys.stderr
    with pytest.raises(SystemExit) as end:
        job.run(main, smk)
    assert end.value.code == 1
    assert capsys.readouterr().err == "error: model bert: no such folder\n" == log_of(smk)
    assert sys.stderr is before


def test_an_interruption_is_one_line_and_exit_code_130(smk, capsys):
    def main(_):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        job.run(main, smk)
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted; run again to go on\n" == log_of(smk)


@pytest.mark.parametrize("filename", [None, "models/weights"])
def test_a_full_disk_is_one_line_wherever_it_is_met(filename, smk, capsys):
    def main(_):
        raise OSError(errno.ENOSPC, "No space left on device", filename)

    with pytest.raises(SystemExit) as end:
        job.run(main, smk)
    assert end.value.code == 1
    where = filename or smk.output[0]
    said = rf"error: {where}: the disk is full \([\d,]+ bytes are free there\): make room and run again"
    assert re.match(said, capsys.readouterr().err)


def test_a_defect_keeps_its_traceback_and_the_log_has_it_too(smk):
    def main(_):
        raise ZeroDivisionError("one by zero")

    with pytest.raises(SystemExit) as end:
        job.run(main, smk)
    assert end.value.code == 1
    assert "ZeroDivisionError: one by zero" in log_of(smk)
    assert "in main" in log_of(smk)


@pytest.mark.parametrize("online", [True, False])
def test_only_a_job_that_asks_for_it_may_reach_the_hub(online, smk):
    seen = []
    job.run(lambda _: seen.append(os.environ.get("HF_HUB_OFFLINE")), smk, online=online)
    assert seen == [None if online else "1"]


@pytest.mark.parametrize("online", [True, False])
def test_so_does_one_whose_script_imports_the_hub_library_first(online, smk, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    seen = []
    job.run(lambda _: seen.append(constants.is_offline_mode()), smk, online=online)
    assert seen == [not online]


def test_a_job_holds_the_lock_of_its_output_while_it_works_and_leaves_nothing(smk, tmp_path):
    def main(_):
        [lock] = (tmp_path / "results").iterdir()
        assert lock.name == ".a.parquet.lock"
        assert f"process {os.getpid()} on {socket.gethostname()} in " in lock.read_text()
        raise UserError("enough")

    with pytest.raises(SystemExit):
        job.run(main, smk)
    assert "error: enough" in log_of(smk)
    assert list((tmp_path / "results").iterdir()) == []


def test_a_second_job_on_the_same_work_is_refused_and_leaves_the_first_ones_log_alone(smk, monkeypatch, capsys):
    monkeypatch.setattr(job, "PATIENCE_S", 0)

    def main(_):
        print("the first one", file=sys.stderr)
        with pytest.raises(SystemExit) as end:
            job.run(lambda _: print("the second one", file=sys.stderr), smk)
        assert end.value.code == 1

    job.run(main, smk)
    said = capsys.readouterr().err
    holder = rf"process {os.getpid()} on \S+ in \S+"
    assert re.search(rf"error: .*a\.parquet is being written to by {holder}; wait for its end, or stop it", said)
    assert "the second one" not in said
    assert log_of(smk).startswith("the first one")


class Params(dict):
    """Parameters as Snakemake hands them over: a mapping with attributes."""


def smk_of(inputs=(), **params):
    return SimpleNamespace(rule="fit_bulk", params=Params(params), input=list(map(str, inputs)))


def test_a_stamp_says_what_the_result_came_from(tmp_path):
    for name, revision in (("a", "111"), ("b", "222")):
        sources = {name: {"revision": revision}}
        contracts.BULK.write([], tmp_path / f"{name}.parquet", {"sources": sources})
    inputs = [tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "figure.svg"]
    stamp = job.stamp(smk_of(inputs, code="c0de", seed=7), device="cuda", sources={"c": {"revision": "333"}})
    assert stamp["sources"] == {name: {"revision": r} for name, r in (("a", "111"), ("b", "222"), ("c", "333"))}
    assert (stamp["rule"], stamp["code"], stamp["seed"], stamp["device"]) == ("fit_bulk", "c0de", 7, "cuda")
    assert {"python", "numpy", "weightspectra"} <= set(stamp["versions"])
    assert str(tmp_path) not in str(stamp)


def test_a_stamp_follows_the_configuration_and_not_the_code():
    def config_digest(**params):
        return job.stamp(smk_of(**params))["config"]

    assert config_digest(code="one", window=2) == config_digest(code="two", window=2)
    assert config_digest(code="one", window=2) != config_digest(code="one", window=3)
