"""The whole workflow on tiny models, from their folders to the report."""

import re

import pyarrow.parquet as pq
import pytest
from configurations import with_value
from snake import artifacts, assert_same, copy_workflow, plan, run, write_config

from weightspectra import contracts

pytestmark = pytest.mark.slow


def test_it_ends_with_a_report_and_its_findings(finished):
    page = (finished / "results" / "report.html").read_text()
    findings = (finished / "results" / "findings.md").read_text().strip()
    assert findings
    for url in ("http://", "https://"):
        assert f'src="{url}' not in page
        assert f'<link href="{url}' not in page
    assert all(model in page for model in ("llama", "llama_random"))
    assert str(finished) not in page


def test_a_second_run_has_nothing_to_do_and_changes_nothing(finished, copied, workflow, config_file):
    assert plan(copied, "--configfile", config_file, root=workflow) == {}
    code, output = run(copied, "--configfile", config_file, root=workflow)
    assert code == 0
    assert "Nothing to be done" in output
    assert_same(artifacts(copied), artifacts(finished))


def test_a_changed_configuration_leaves_no_table_that_it_does_not_ask_for(copied, tiny_config, workflow, tmp_path):
    shown = {kind: {path.stem for path in (copied / "results" / kind).iterdir()} for kind in ("tables", "figures")}
    assert "memories" in shown["tables"] & shown["figures"]
    config = write_config(tmp_path / "changed.yaml", {**tiny_config, "memories": {}})
    assert plan(copied, "results/report.html", "--configfile", config, root=workflow) == {"make_report": 1}
    code, output = run(copied, "results/report.html", "--configfile", config, root=workflow)
    assert code == 0, output[-6000:]
    left = {kind: {path.stem for path in (copied / "results" / kind).iterdir()} for kind in shown}
    assert left == {kind: names - {"memories"} for kind, names in shown.items()}
    page = (copied / "results" / "report.html").read_text()
    assert 'id="outliers"' in page and "memories made without training" not in page
    assert "tables/memories: deleted" in (copied / "logs" / "make_report.log").read_text()


def test_every_artifact_is_read_by_its_contract_and_says_how_it_was_made(finished):
    results = finished / "results"
    found = {contract.name: 0 for contract in contracts.ALL}
    for path in results.rglob("*.parquet"):
        made = contracts.read_provenance(path)
        assert {"rule", "code", "versions"} <= set(made), path
        assert {"config", "sources"} <= set(made), path
        assert str(finished) not in str(made), path
        stage = path.relative_to(results).parts[0].removesuffix(".parquet")
        others = {"corpora": "corpus", "activations": "moments", "data_sets": "examples", "births": "checkpoints"}
        name = others.get(stage, stage)
        contract = next(contract for contract in contracts.ALL if contract.name == name)
        of_levels = contract is contracts.LEVELS or path.stem == "spacings"  # too few of them to unfold here
        assert len(contract.read(path)) > 0 or of_levels, path
        found[name] += 1
    assert all(found.values()), found


def middle_of_data(path):
    """Return the place of a byte in the middle of a file's largest column."""
    group = pq.read_metadata(path).row_group(0)
    largest = max((group.column(i) for i in range(group.num_columns)), key=lambda part: part.total_compressed_size)
    return largest.data_page_offset + largest.total_compressed_size // 2


@pytest.mark.full
@pytest.mark.parametrize(
    ("artifact", "reader"),
    [
        ("weights/llama/part-01-of-02.parquet", "decompose"),
        ("activations/llama/text/part-00-of-02.parquet", "measure_overlap"),
        ("vectors/llama/part-00-of-02.parquet", "evaluate_cuts"),
    ],
)
def test_a_damaged_artifact_is_named_deleted_and_rebuilt(artifact, reader, finished, copied, workflow, config_file):
    path = copied / "results" / artifact
    damaged = bytearray(path.read_bytes())
    damaged[middle_of_data(path)] ^= 1
    path.write_bytes(damaged)
    options = ["--configfile", config_file]
    only_read = ["--forcerun", reader, "--until", reader, "--rerun-triggers", "input", "--keep-going"]
    code, output = run(copied, *options, *only_read, root=workflow)
    assert code != 0, output[-6000:]
    assert f"error: results/{artifact}: corrupt " in output
    assert "it was deleted: run again and it is made anew" in output
    assert not path.exists()
    code, output = run(copied, *options, root=workflow)
    assert code == 0, output[-6000:]
    assert_same(artifacts(copied), artifacts(finished))


@pytest.mark.parametrize(
    ("path", "value", "target", "message"),
    [
        ("models/llama/source/path", "/no/such/model", "sources/llama", "/no/such/model"),
        ("corpora/text/source/path", "/no/such/text", "corpora/text", "/no/such/text"),
        (
            "experiments/deciles/metrics",
            ["pseudo_perplexity"],
            "sources/llama",
            "'pseudo_perplexity' needs a model that predicts masked tokens",
        ),
        (
            "experiments/deciles/cuts",
            [{"remove": {"deciles": [1]}, "layers": [9]}],
            "sources/llama",
            "layer 9: this llama model has",
        ),
    ],
)
def test_what_the_files_make_impossible_is_refused_in_one_line(path, value, target, message, tiny_config, tmp_path):
    config = write_config(tmp_path / "config.yaml", with_value(tiny_config, path, value))
    code, output = run(tmp_path, f"results/{target}.parquet", "--configfile", config)
    assert code != 0, output[-6000:]
    errors = {line for line in output.splitlines() if line.startswith("error: ")}
    assert [line for line in errors if message in line], output[-3000:]
    assert "Traceback" not in output


def test_a_failed_job_stops_only_the_exhibits_that_need_it(copied, config_file, tmp_path):
    root = copy_workflow(tmp_path / "workflow")
    (root / "scripts" / "compare_models.py").write_text("raise SystemExit('no comparison today')\n")
    options = ("--configfile", config_file, "--keep-going")
    code, output = run(copied, *options, root=root)
    assert code == 1, output
    page = (copied / "results" / "report.html").read_text()
    absent = re.findall(r"<li>((?:table|figure) [\w-]+): see (logs/[\w/]+\.log)</li>", page)
    log = "logs/compare_models/training.log"
    assert absent == [("table difference", log), ("figure difference-training", log)]
    assert '<h3 id="outliers">' in page
    assert '<h3 id="difference">' not in page
    assert plan(copied, "--configfile", config_file, root=root)["make_report"] == 1
