"""Compressions and noisier copies in a configuration: what cannot be run is refused, what can is read in full."""

import copy

import pytest
import yaml
from configurations import complete

from weightspectra.config.messages import ConfigurationError

BASE = yaml.safe_load("""
models:
  one: {source: {path: /models/one}}
  noisy: {source: {renoised: {like: one}}}
corpora:
  text: {source: {path: text.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
  other: {source: {path: other.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [one], corpora: [text, other]}
experiments:
  small:
    models: [one]
    corpus: text
    cuts:
      - {compress: {methods: [svd, whitened], sizes: [0.8], corpus: text}, scope: all}
""")


def refused(change) -> str:
    config = copy.deepcopy(BASE)
    change(config, config["experiments"]["small"]["cuts"][0])
    with pytest.raises(ConfigurationError) as refusal:
        complete(config)
    return str(refusal.value)


def test_a_whole_entry_is_accepted_and_its_defaults_filled_in():
    config = complete(copy.deepcopy(BASE))
    assert config["models"]["noisy"]["source"]["renoised"] == {"like": "one", "bits": 4, "block": 32}


def test_whitening_needs_a_corpus():
    message = refused(lambda config, cut: cut["compress"].pop("corpus"))
    assert "experiments/small/cuts/0/compress: whitening needs second moments; name the corpus" in message


def test_whitening_needs_observed_models():
    message = refused(lambda config, cut: config["observe"].update(models=["noisy"]))
    assert "experiments/small/cuts/0/compress/corpus: 'text' is not observed for one; add both to observe" in message


def test_one_experiment_whitens_with_one_corpus():
    def add(config, cut):
        second = {**cut, "compress": {**cut["compress"], "corpus": "other"}}
        config["experiments"]["small"]["cuts"].append(second)

    message = refused(add)
    assert (
        "experiments/small/cuts: compress names the corpora other, text; whiten with one in each experiment" in message
    )


def test_plain_compression_needs_no_observation():
    config = copy.deepcopy(BASE)
    config["observe"] = {}
    config["experiments"]["small"]["cuts"][0]["compress"] = {"methods": ["svd", "boundary"], "sizes": [1, 0.5]}
    complete(config)


@pytest.mark.parametrize("size", [0, 1.2])
def test_a_size_is_a_share(size):
    assert "experiments/small/cuts/0/compress/sizes/0" in refused(lambda c, cut: cut["compress"].update(sizes=[size]))


def test_a_noisier_copy_names_an_original_that_is_there():
    message = refused(lambda config, cut: config["models"]["noisy"]["source"]["renoised"].update(like="on"))
    assert "models/noisy/source/renoised/like: there is no model 'on'; did you mean 'one'?" in message


def test_a_noisier_copy_of_a_copy_is_refused():
    message = refused(lambda c, cut: c["models"].update(again={"source": {"renoised": {"like": "noisy"}}}))
    assert "'noisy' is itself made like another; name the original" in message
