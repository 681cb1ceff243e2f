"""What may be asked of a model is known from its configuration alone."""

import pytest

from weightspectra.base.errors import UserError
from weightspectra.models import requests

LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "architectures": ["LlamaForCausalLM"]}


def test_configuration_without_a_depth_is_refused():
    with pytest.raises(UserError, match=r"config\.json lacks 'num_hidden_layers'"):
        requests.check_request({"model_type": "llama"}, {"layers": [0]})


@pytest.mark.parametrize(
    ("changes", "requested", "message"),
    [
        ({"model_type": "bert"}, {"roles": ["gate"]}, "role 'gate': a bert model has only query, key, value, att"),
        ({}, {"layers": [0, 2]}, "layer 2: this llama model has layers 0 to 1"),
        ({"model_type": "roberta"}, {"metrics": ["perplexity"]}, "model type 'roberta' is an encoder"),
        ({"architectures": ["LlamaModel"]}, {"metrics": ["perplexity"]}, r"found \['LlamaModel'\]"),
        ({"architectures": None}, {"metrics": ["perplexity"]}, r"found \[\]"),
        ({"model_type": "bert"}, {"metrics": ["tasks"]}, "'tasks' needs a model that predicts the next token"),
        (
            {},
            {"metrics": ["pseudo_perplexity"]},
            "needs a model that predicts masked tokens; model type 'llama' predicts",
        ),
        (
            {"model_type": "bert", "architectures": ["BertModel"]},
            {"metrics": ["pseudo_perplexity"]},
            r"with a masked-language-model head.*ForMaskedLM.*found \['BertModel'\]",
        ),
    ],
)
def test_impossible_requests_are_refused(changes, requested, message):
    with pytest.raises(UserError, match=message):
        requests.check_request({**LLAMA, **changes}, requested)


@pytest.mark.parametrize(
    ("changes", "requested"),
    [
        ({}, {"metrics": ["perplexity"], "roles": ["gate", "query"], "layers": [0, 1]}),
        ({"model_type": "bert"}, {"metrics": [], "roles": ["up"], "layers": [1]}),
        ({"model_type": "gpt2", "n_layer": 2, "architectures": ["GPT2LMHeadModel"]}, {"metrics": ["perplexity"]}),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, {"metrics": ["pseudo_perplexity"]}),
    ],
)
def test_possible_requests_pass(changes, requested):
    requests.check_request({**LLAMA, **changes}, requested)


def test_metrics_say_which_head_to_load():
    assert requests.head_for(["perplexity", "tasks"]) == "causal"
    assert requests.head_for(["pseudo_perplexity"]) == "masked"
    assert requests.head_for([]) is None
