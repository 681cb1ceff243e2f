"""The tokenizer inside a GGUF file, as the files that transformers reads."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import PreTokenizer

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError

CONTROL, USER_DEFINED = 3, 4
"""Values of ``tokenizer.ggml.token_type`` for tokens that text is not cut into by merges."""

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def _words() -> PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _digits_then_words() -> PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _words()])


def _split(pattern: str) -> PreTokenizer:
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"), bytes_only])


_PRE_TOKENIZERS = {
    **dict.fromkeys(("default", "gpt-2", "phi-2", "olmo", "mpt", "jais"), _words),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), _digits_then_words),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3"), lambda: _split(_LLAMA3)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), lambda: _split(_QWEN2)),
}
"""How llama.cpp cuts a text into words before it merges, by ``tokenizer.ggml.pre``."""

_WHOLE_WORDS_FIRST = ("llama-bpe", "llama3", "llama-v3")
"""Those that look a word up in the vocabulary before they merge its pieces."""


def write_tokenizer(file_name: str, fields: dict[str, Any], n_rows: int, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``.

    Parameters
    ----------
    file_name : str
        The GGUF file's name, for messages.
    fields : dict
        The file's key-value pairs.
    n_rows : int
        Rows of the embedding, of which each token has one.
    folder : path
        Where the two files are put.

    Raises
    ------
    UserError
        When the tokenizer is not a byte-level BPE, or splits words in a way
        that is not known here (other splits would give other tokens); when a
        merge, or the id of a special token, is of no token, or a token has no
        row of the embedding.

    Notes
    -----
    transformers reads GGUF tokenizers too, but (in version 5.23) it splits
    ``smollm`` words as GPT-2 does, without setting digits apart, so that a
    line break before a number gives other tokens than the model was trained on.
    """
    _check_tokens(file_name, fields, n_rows)
    tokenizer = _bpe(file_name, fields)
    tokens = fields["tokenizer.ggml.tokens"]
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        token_id = fields.get(f"tokenizer.ggml.{theirs}_token_id")
        if token_id is not None:
            config[f"{ours}_token"] = tokens[token_id]
    if "llama.context_length" in fields:
        config["model_max_length"] = fields["llama.context_length"]
    if "tokenizer.chat_template" in fields:
        config["chat_template"] = fields["tokenizer.chat_template"]
    if fields.get("tokenizer.ggml.add_bos_token") and "bos_token" in config:
        bos = config["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos} $B",
            special_tokens=[(bos, fields["tokenizer.ggml.bos_token_id"])],
        )
    with replace_file(folder / "tokenizer.json") as stream:
        stream.write(tokenizer.to_str(pretty=False).encode())
    with replace_file(folder / "tokenizer_config.json") as stream:
        stream.write(json.dumps(config, indent=2, sort_keys=True).encode())


def _check_tokens(file_name: str, fields: dict[str, Any], n_rows: int) -> None:
    tokens, merges = (fields.get(f"tokenizer.ggml.{name}", []) for name in ("tokens", "merges"))
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in (tokens, merges)):
        raise UserError(
            f"{file_name}: tokenizer.ggml.tokens or merges is no list of texts; fetch or copy the file again"
        )
    if len(tokens) > n_rows:
        raise UserError(f"{file_name}: {len(tokens):,} tokens, but the embedding has {n_rows:,} rows")
    for name in ("bos", "eos", "unknown", "padding"):
        found = fields.get(f"tokenizer.ggml.{name}_token_id")
        if found is not None and (not isinstance(found, int) or not 0 <= found < len(tokens)):
            raise UserError(f"{file_name}: {name}_token_id is {str(found)[:40]}, but there are {len(tokens):,} tokens")
    known = set(tokens)
    for merge in merges:
        parts = merge.split(" ")
        if len(parts) != 2 or not {*parts, "".join(parts)} <= known:
            raise UserError(f"{file_name}: the merge '{merge[:80]}' is not of two of its tokens into a third")


def _bpe(file_name: str, fields: dict[str, Any]) -> Tokenizer:
    kind = fields.get("tokenizer.ggml.model", "none")
    split = fields.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or split not in _PRE_TOKENIZERS:
        raise UserError(
            f"{file_name}: its tokenizer '{kind}' with word split '{split}' cannot be rebuilt; supported: 'gpt2' with "
            f"{', '.join(_PRE_TOKENIZERS)}; use the model's original files"
        )
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=split in _WHOLE_WORDS_FIRST))
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[split]()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    types = fields.get("tokenizer.ggml.token_type", [])
    tokenizer.add_special_tokens(_added(tokens, types, CONTROL))
    tokenizer.add_tokens(_added(tokens, types, USER_DEFINED))
    return tokenizer


def _added(tokens: list[str], types: list[int], kind: int) -> list[AddedToken]:
    """Return the tokens of one type, to be found whole in the text."""
    chosen = (token for token, found in zip(tokens, types, strict=False) if found == kind)
    return [AddedToken(token, normalized=False, special=kind == CONTROL) for token in chosen]
