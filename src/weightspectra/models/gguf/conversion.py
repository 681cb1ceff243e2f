"""GGUF files (llama.cpp's format) as Hugging Face folders: float32 safetensors, config.json, tokenizer."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGUFReader, ReaderTensor
from transformers import LlamaConfig

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.models.gguf.quantisation import quantisation_std
from weightspectra.models.gguf.tokenizer import write_tokenizer
from weightspectra.sources import checkpoints

ARCHITECTURES = ("llama",)
"""Values of ``general.architecture`` that can be converted."""

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
    header's metadata holds ``quantisation`` and, as JSON, ``rounding_std``:
    from tensor names to the error estimated by
    :func:`weightspectra.models.gguf.quantisation.quantisation_std`.
    """
    reader = _read(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = _llama_config(file, fields, tensors)
    names = _tensor_names(file, tensors, config.num_hidden_layers)
    check(config.to_dict())
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(folder / "config.json") as stream:
        stream.write(config.to_json_string(use_diff=True).encode())
    write_tokenizer(file.name, fields, folder)
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


def _read(file: Path) -> GGUFReader:
    try:
        reader = GGUFReader(file)
        end = max(int(tensor.data_offset) + int(tensor.n_bytes) for tensor in reader.tensors)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"{file.name}: not a whole GGUF file ({error}); fetch it again") from error
    if end > file.stat().st_size:
        raise UserError(f"{file.name}: truncated: {file.stat().st_size:,} bytes of {end:,}; fetch it again")
    architecture = reader.fields["general.architecture"].contents() if "general.architecture" in reader.fields else None
    if architecture not in ARCHITECTURES:
        raise UserError(
            f"{file.name}: architecture '{architecture}' cannot be converted; supported: {', '.join(ARCHITECTURES)}; "
            "use the model's original safetensors files"
        )
    return reader


def _llama_config(file: Path, fields: dict[str, Any], tensors: dict[str, ReaderTensor]) -> LlamaConfig:
    def value(key: str, default: Any = None) -> Any:
        found = fields.get(f"llama.{key}", default)
        if found is None:
            raise UserError(f"{file.name}: the key 'llama.{key}' is missing; the file is not whole, fetch it again")
        return found

    n_heads, width = value("attention.head_count"), value("embedding_length")
    head_dim = value("attention.key_length", width // n_heads)
    unsupported = {
        "expert_count": value("expert_count", 0) > 0,
        "rope.scaling.type": value("rope.scaling.type", "none") != "none",
        "rope.dimension_count": value("rope.dimension_count", head_dim) != head_dim,
        "attention.value_length": value("attention.value_length", head_dim) != head_dim,
    }
    for key in (key for key, is_set in unsupported.items() if is_set):
        raise UserError(
            f"{file.name}: llama.{key} = {value(key)} is not supported; use the model's original safetensors files"
        )
    tokens = {name: fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding")}
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="float32",
        vocab_size=int(tensors["token_embd.weight"].shape[1]) if "token_embd.weight" in tensors else 0,
        hidden_size=width,
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=n_heads,
        num_key_value_heads=value("attention.head_count_kv", n_heads),
        head_dim=head_dim,
        max_position_embeddings=value("context_length"),
        rms_norm_eps=_shortest(value("attention.layer_norm_rms_epsilon")),
        rope_parameters={"rope_type": "default", "rope_theta": _shortest(value("rope.freq_base", 10000.0))},
        tie_word_embeddings="output.weight" not in tensors,
        bos_token_id=tokens["bos"],
        eos_token_id=tokens["eos"],
        pad_token_id=tokens["padding"],
    )


def _shortest(number: float) -> float:
    """Return the shortest decimal that rounds to the float32 in the file: 1e-05, not 9.99999974e-06."""
    return float(str(np.float32(number)))


def _tensor_names(file: Path, tensors: dict[str, ReaderTensor], n_blocks: int) -> dict[str, str]:
    """Map the file's tensor names to Hugging Face's, after checking that none is missing and none left over."""
    names = dict(_OUTER)
    for block in range(n_blocks):
        for theirs, ours in _BLOCK.items():
            names[f"blk.{block}.{theirs}.weight"] = f"model.layers.{block}.{ours}.weight"
    missing = sorted(names.keys() - tensors.keys() - {"output.weight"})
    unknown = sorted(tensors.keys() - names.keys())
    if missing or unknown:
        found = f"lacks {', '.join(missing[:4])}" if missing else f"holds {', '.join(unknown[:4])}"
        raise UserError(
            f"{file.name}: not the tensors of a plain Llama: it {found}; use the model's original safetensors files"
        )
    return names


def _write_weights(path: Path, tensors: dict[str, ReaderTensor], heads: dict[str, int], quantisation: str) -> None:
    errors = {}
    for name, tensor in track(tensors.items(), len(tensors), f"estimate rounding of {path.parent.name}", "tensors"):
        error = quantisation_std(tensor.data, tensor.tensor_type)
        if error is not None:
            errors[name] = error
    described = {"format": "pt", "quantisation": quantisation, "rounding_std": json.dumps(errors, sort_keys=True)}
    stored = {name: ("F32", tuple(int(n) for n in tensor.shape[::-1])) for name, tensor in tensors.items()}
    weights = track(_weights(tensors, heads), len(tensors), f"convert {path.parent.name}", "tensors")
    checkpoints.write_safetensors(path, stored, weights, described)


def _weights(tensors: dict[str, ReaderTensor], heads: dict[str, int]) -> Iterator[np.ndarray]:
    """Yield the weights in float32 and in Hugging Face's order of rows."""
    for name, tensor in tensors.items():
        weight = gguf.dequantize(tensor.data, tensor.tensor_type)
        n_heads = next((count for part, count in heads.items() if part in name), None)
        yield restore_rows(weight, n_heads) if n_heads else weight
