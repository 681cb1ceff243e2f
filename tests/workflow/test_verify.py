"""Every byte of a finished run is vouched for: a flipped bit in any of them is found, and named with its cure."""

import random
import shutil
from itertools import groupby

import pytest
import verify
from findings import records_of, results_of
from snake import artifacts, assert_same, run

pytestmark = pytest.mark.slow


@pytest.fixture
def results(copied):
    """The results of a copy of the finished run; files of models that are links become files of its own."""
    folder = copied / "results"
    for path in folder.rglob("*"):
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            shutil.copyfile(target, path)
    return folder


def shown(results):
    """Return all files but hidden ones, which are locks and what jobs that have not ended leave."""
    found = (path for path in sorted(results.rglob("*")) if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(results).parts)]


def flip(path, draw):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def test_a_finished_run_is_whole_to_the_last_file(results):
    lines, code = verify.report(results)
    assert lines == [f"{len(shown(results)):,} files in {results} were read: all are whole"]
    assert code == 0


@pytest.mark.parametrize("n_flips", [12, pytest.param(100, marks=pytest.mark.full)])
def test_each_flipped_bit_is_found_and_its_file_named(n_flips, results):
    draw = random.Random(n_flips)
    files = shown(results)
    stages = [list(found) for _, found in groupby(files, key=lambda path: path.relative_to(results).parts[0])]
    first = [draw.choice(stage) for stage in draw.sample(stages, k=min(n_flips, len(stages)))]
    for path in [*first, *draw.choices(files, k=n_flips - len(first))]:
        whole = path.read_bytes()
        flip(path, draw)
        lines, code = verify.report(results)
        path.write_bytes(whole)
        damaged = (line for line in lines[:-1] if ": not checked: " not in line)  # where what vouched for it is damaged
        named = {line.partition(": ")[0] for line in damaged}
        assert code == 1, path
        assert named == {str(path)} or (named and path.suffix == ".sha256"), path
    assert verify.report(results)[1] == 0


def test_a_flipped_bit_in_a_file_of_a_task_is_named_with_the_table_to_delete(results):
    table = results / "tasks" / "labels.parquet"
    files = [path for path in shown(table.with_suffix("")) if path.suffix != ".parquet"]
    assert files
    for path in files:
        whole = path.read_bytes()
        flip(path, random.Random(1))
        lines, code = verify.report(results)
        path.write_bytes(whole)
        assert code == 1
        assert any(line.startswith(f"{path}: expected SHA-256 ") and f"; delete {table} and" in line for line in lines)


@pytest.mark.full
def test_a_damaged_file_is_made_anew_as_verify_says(results, copied, finished, workflow, config_file):
    table, source = results / "tables" / "outliers.md", results / "sources" / "llama_random" / "model.safetensors"
    for path in (table, source):
        flip(path, random.Random(0))
    lines, _ = verify.report(results)
    for path, cured_by in ((table, table), (source, source.parent.with_suffix(".parquet"))):
        [line] = [line for line in lines if line.startswith(f"{path}: ")]
        assert f"; delete {cured_by} and run again" in line
        cured_by.unlink()
    code, output = run(copied, "--configfile", config_file, root=workflow)
    assert code == 0, output[-6000:]
    assert verify.report(results)[1] == 0
    assert_same(artifacts(copied), artifacts(finished))


def test_what_nothing_vouches_for_is_named(tmp_path):
    assert verify.report(tmp_path / "none") == ([f"{tmp_path / 'none'}: no such folder; nothing has been run yet"], 1)
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "work").touch()
    (tmp_path / "notes.txt").touch()
    lines, code = verify.report(tmp_path)
    assert lines[0] == f"{tmp_path / 'notes.txt'}: not checked: nothing in the results says what it should hold"
    assert code == 0


def test_logs_and_benchmarks_below_the_results_are_counted(tmp_path):
    for name in ("logs/fetch_model/a.log", "logs/make_report.log", "times/make_report.tsv", "tables/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    config = {"pathvars": {"results": str(tmp_path), "logs": str(tmp_path / "logs")}}
    assert verify.report(results_of(config), records_of(config))[0][-2] == (
        "2 logs and benchmarks were not checked: nothing is made of them"
    )
    config["pathvars"]["benchmarks"] = str(tmp_path / "times")
    lines, code = verify.report(results_of(config), records_of(config))
    assert lines == [
        f"{tmp_path / 'tables' / 'notes.txt'}: not checked: nothing in the results says what it should hold",
        "3 logs and benchmarks were not checked: nothing is made of them",
        f"0 files in {tmp_path} were read: all are whole",
    ]
    assert code == 0
