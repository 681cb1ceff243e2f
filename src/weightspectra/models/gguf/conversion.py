"""GGUF files (llama.cpp's format) as Hugging Face folders: float32 safetensors, config.json, tokenizer."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as KINDS
from gguf import ReaderTensor
from transformers import LlamaConfig

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.models.gguf.quantisation import quantisation_std
from weightspectra.models.gguf.reading import Header
from weightspectra.models.gguf.tokenizer import write_tokenizer
from weightspectra.sources import checkpoints

_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_gguf(file: Path, folder: Path, check: Callable[[dict[str, Any]], None] = lambda config: None) -> str | None:
    """Write the model of a GGUF file as a Hugging Face folder.

    Parameters
    ----------
    file : path
        A GGUF file of the Llama architecture.
    folder : path
        Where ``config.json``, the tokenizer and ``model.safetensors`` are put.
    check : callable
        Called with the configuration before any weight is converted.

    Returns
    -------
    str or None
        The quantisation of most of the weights (``"Q4_1"``); None for float32.

    Raises
    ------
    UserError
        When the file is not a whole GGUF file, or its architecture,
        tokenizer or tensors are not supported.

    Notes
    -----
    llama.cpp rotates neighbouring components of a head, Hugging Face those
    half a head apart, so that the rows of the query and key matrices stand in
    another order in a GGUF file; :func:`restore_rows` undoes this. The safetensors
    header's metadata holds ``quantisation`` and, as JSON, from tensor names
    ``formats`` and ``rounding_std``: the error estimated by
    :func:`weightspectra.models.gguf.quantisation.quantisation_std`, null where it is unknown.
    """
    header = Header(file)
    fields, tensors = header.fields, header.tensors
    config = _llama_config(header)
    names = _tensor_names(config.num_hidden_layers)
    header.check_shapes(_shapes(names, config))
    _check_kinds(file, tensors)
    check(config.to_dict())
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(folder / "config.json") as stream:
        stream.write(config.to_json_string(use_diff=True).encode())
    write_tokenizer(file.name, fields, config.vocab_size, folder)
    stored = Counter[str]()
    for tensor in tensors.values():
        if len(tensor.shape) == 2:
            stored[tensor.tensor_type.name] += int(tensor.n_elements)
    quantisation = stored.most_common(1)[0][0]
    _write_weights(
        folder / "model.safetensors",
        {names[name]: tensor for name, tensor in sorted(tensors.items(), key=lambda item: names[item[0]])},
        {".q_proj.": config.num_attention_heads, ".k_proj.": int(config.num_key_value_heads or 0)},
        quantisation,
    )
    return None if quantisation == "F32" else quantisation


def restore_rows(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """Put the rows of a query or key matrix back into Hugging Face's order.

    Parameters
    ----------
    weight : ndarray of shape (n_heads * head_dim, n_in)
        In each head, the rows of the two halves alternate.
    n_heads : int
        Heads of this matrix (for keys: the key-value heads).
    """
    n_out, n_in = weight.shape
    pairs = weight.reshape(n_heads, n_out // n_heads // 2, 2, n_in)
    return pairs.swapaxes(1, 2).reshape(n_out, n_in)


def _llama_config(header: Header) -> LlamaConfig:
    n_heads, width = header.count("attention.head_count"), header.count("embedding_length")
    head_dim = header.count("attention.key_length", max(1, width // n_heads))
    n_key_heads = header.count("attention.head_count_kv", n_heads)
    unsupported = {
        "expert_count": header.value("expert_count", 0) != 0,
        "rope.scaling.type": header.value("rope.scaling.type", "none") != "none",
        "rope.dimension_count": header.value("rope.dimension_count", head_dim) != head_dim,
        "attention.value_length": header.value("attention.value_length", head_dim) != head_dim,
        "attention.head_count_kv": n_heads % n_key_heads != 0,
        "attention.key_length": head_dim % 2 != 0,
    }
    for key in (key for key, is_set in unsupported.items() if is_set):
        raise UserError(
            f"{header.name}: llama.{key} = {str(header.value(key, head_dim))[:40]} is not supported with "
            f"{n_heads} heads of {head_dim} components; use the model's original safetensors files"
        )
    n_blocks = header.count("block_count")
    if n_blocks > len(header.tensors):
        raise UserError(
            f"{header.name}: llama.block_count is {n_blocks:,}, but there are {len(header.tensors):,} tensors"
        )
    embedding = header.tensors.get("token_embd.weight")
    vocabulary = int(embedding.shape[-1]) if embedding is not None else 1
    tokens = {name: header.fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding")}
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="float32",
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=header.count("feed_forward_length"),
        num_hidden_layers=n_blocks,
        num_attention_heads=n_heads,
        num_key_value_heads=n_key_heads,
        head_dim=head_dim,
        max_position_embeddings=header.count("context_length"),
        rms_norm_eps=_shortest(header.number("attention.layer_norm_rms_epsilon")),
        rope_parameters={"rope_type": "default", "rope_theta": _shortest(header.number("rope.freq_base", 10000.0))},
        tie_word_embeddings="output.weight" not in header.tensors,
        bos_token_id=tokens["bos"],
        eos_token_id=tokens["eos"],
        pad_token_id=tokens["padding"],
    )


def _shortest(number: float) -> float:
    """Return the shortest decimal that rounds to the float32 in the file: 1e-05, not 9.99999974e-06."""
    return float(str(np.float32(number)))


def _tensor_names(n_blocks: int) -> dict[str, str]:
    """Map the file's tensor names to Hugging Face's."""
    names = dict(_OUTER)
    for block in range(n_blocks):
        for theirs, ours in _BLOCK.items():
            names[f"blk.{block}.{theirs}.weight"] = f"model.layers.{block}.{ours}.weight"
    return names


def _shapes(names: dict[str, str], config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a model of this configuration has, by the file's names."""
    width, middle, rows = config.hidden_size, config.intermediate_size, config.vocab_size
    queries, keys = (
        int(n_heads or 0) * int(config.head_dim or 0)
        for n_heads in (config.num_attention_heads, config.num_key_value_heads)
    )
    inner = {
        **dict.fromkeys(("attn_norm", "ffn_norm"), (width,)),
        "attn_q": (queries, width),
        **dict.fromkeys(("attn_k", "attn_v"), (keys, width)),
        "attn_output": (width, queries),
        **dict.fromkeys(("ffn_gate", "ffn_up"), (middle, width)),
        "ffn_down": (width, middle),
    }
    outer = {"token_embd.weight": (rows, width), "output_norm.weight": (width,), "output.weight": (rows, width)}
    return {name: outer.get(name) or inner[name.split(".")[2]] for name in names}


def _check_kinds(file: Path, tensors: dict[str, ReaderTensor]) -> None:
    """Refuse kinds of storage that the library knows, but cannot dequantise."""
    for kind in {tensor.tensor_type for tensor in tensors.values()} - {KINDS.F32, KINDS.F16}:
        if kind not in gguf.quants._type_traits:
            name = next(name for name, tensor in tensors.items() if tensor.tensor_type == kind)
            raise UserError(
                f"{file.name}: tensor '{name}' is stored as {kind.name}, which cannot be dequantised; use the model's "
                "original safetensors files"
            )


def _write_weights(path: Path, tensors: dict[str, ReaderTensor], heads: dict[str, int], quantisation: str) -> None:
    errors: dict[str, float | None] = {}
    for name, tensor in track(tensors.items(), len(tensors), f"estimate rounding of {path.parent.name}", "tensors"):
        error = quantisation_std(tensor.data, tensor.tensor_type)
        if error is not None:
            errors[name] = None if math.isnan(error) else error  # JSON has no NaN
    described = {"format": "pt", "quantisation": quantisation, "rounding_std": json.dumps(errors, sort_keys=True)}
    described["formats"] = json.dumps({name: tensors[name].tensor_type.name for name in errors}, sort_keys=True)
    stored = {name: ("F32", tuple(int(n) for n in tensor.shape[::-1])) for name, tensor in tensors.items()}
    weights = track(_weights(tensors, heads), len(tensors), f"convert {path.parent.name}", "tensors")
    checkpoints.write_safetensors(path, stored, weights, described)


def _weights(tensors: dict[str, ReaderTensor], heads: dict[str, int]) -> Iterator[np.ndarray]:
    """Yield the weights in float32 and in Hugging Face's order of rows."""
    for name, tensor in tensors.items():
        weight = gguf.dequantize(tensor.data, tensor.tensor_type)
        n_heads = next((count for part, count in heads.items() if part in name), None)
        yield restore_rows(weight, n_heads) if n_heads else weight
