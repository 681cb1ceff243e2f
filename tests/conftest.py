"""Tiny random models that several wings run, each a folder as ``save_pretrained`` leaves it."""

import gc
import os
import string
from pathlib import Path

import pytest
from causal_models import LLAMA

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process whose threads have computed cannot be forked


def pytest_collection_finish():
    """Look no more for garbage among a million objects of imported libraries, which stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """A BERT of two blocks without a head (32 dimensions, 64 inside the MLP, 64 positions), with its tokenizer.

    The tokenizer has one token a character and puts [CLS] before and [SEP] after.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = string.ascii_lowercase + string.digits + string.punctuation
    words = [*special, *characters, *(f"##{character}" for character in characters)]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    folder = tmp_path_factory.mktemp("tiny") / "bert"
    _spread_spectra(BertModel, config, seed=11).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    """A Llama of two blocks with its head (32 dimensions, 4 heads, 2 of keys, 96 inside the MLP, 128 positions).

    The tokenizer has one token a byte and puts ``<s>`` before a text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    config = LlamaConfig(
        **LLAMA,
        vocab_size=len(words),
        hidden_size=32,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=False,
    )
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    _spread_spectra(LlamaForCausalLM, config, seed=12).save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    wrapped.save_pretrained(folder)
    return folder


def _spread_spectra(model_class, config, seed: int):
    """Make a model whose weights have singular values over two decades and whose inputs are not isotropic."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
        for parameter in model.parameters():
            if parameter.ndim == 2:
                n_out, n_in = parameter.shape
                scales = torch.logspace(0.5, -1.5, n_in)
                parameter.data = torch.randn(n_out, n_in) * scales[torch.randperm(n_in)] / n_in**0.5
            else:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()
