"""A model in a local folder is fetched again when its files change, and when nothing changed it is not."""

import shutil

from snake import plan, run, write_config

WANTED = "results/sources/twin.parquet"


def test_a_changed_local_model_is_fetched_again(tiny_llama, tmp_path):
    shutil.copytree(tiny_llama, tmp_path / "llama")
    models = {"llama": {"source": {"path": "llama"}}, "twin": {"source": {"random": {"like": "llama"}}}}
    options = [WANTED, "--configfile", write_config(tmp_path / "my.yaml", {"models": models})]
    code, output = run(tmp_path, *options)
    assert code == 0, output
    assert plan(tmp_path, *options) == {}
    with open(tmp_path / "llama" / "config.json", "a") as stream:
        stream.write("\n")
    assert plan(tmp_path, *options)["fetch_model"] == 2


def test_a_missing_folder_is_refused_by_name(tmp_path):
    models = {"twin": {"source": {"path": "no/such/folder"}}}
    code, output = run(tmp_path, WANTED, "--configfile", write_config(tmp_path / "my.yaml", {"models": models}))
    assert code == 1
    assert "error: model 'twin': the folder no/such/folder does not exist" in output
