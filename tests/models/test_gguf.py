"""A model written as GGUF and converted back is the same model: weights, rotation, configuration, tokenizer."""

import json

import gguf
import numpy as np
import pytest
import torch
from causal_models import LLAMA
from safetensors import safe_open
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import weights
from weightspectra.models.gguf import conversion
from weightspectra.models.gguf.conversion import convert_gguf, restore_rows
from weightspectra.models.gguf.quantisation import quantisation_std

KINDS = gguf.GGMLQuantizationType
TEXT = ["the cat sat on the mat", "the dog ate 1790 cats\n\n12 dogs", "it's a cat's life, isn't it?"]
SPECIAL = ["<unk>", "<|start|>", "<|end|>"]

CONFIGURATION = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim", "rope_parameters"),
    *("num_attention_heads", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"),
)

OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
INNER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@pytest.fixture(scope="module")
def bpe():
    """A byte-level BPE trained on a few words: its tokens in order, and its merges."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXT * 20, vocab_size=300, min_frequency=2, special_tokens=SPECIAL)
    state = json.loads(trained.to_str())["model"]
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in state["merges"]]
    return sorted(state["vocab"], key=state["vocab"].get), merges


def make_llama(n_tokens: int, *, tied: bool = False) -> LlamaForCausalLM:
    """Return a random Llama with fewer key heads than query heads and no two rows alike."""
    torch.manual_seed(3)
    config = LlamaConfig(
        **LLAMA,
        vocab_size=n_tokens,
        hidden_size=64,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        tie_word_embeddings=tied,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


def interleave(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """Reorder rows as llama.cpp does, one row at a time: row j of the first half, then row j of the second."""
    head_dim = len(weight) // n_heads
    order = [
        head * head_dim + half * head_dim // 2 + j
        for head in range(n_heads)
        for j in range(head_dim // 2)
        for half in (0, 1)
    ]
    return weight[order]


def theirs(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in OUTER:
        return f"{OUTER[stem]}.weight"
    _, _, block, inner = stem.split(".", 3)
    return f"blk.{block}.{INNER[inner]}.weight"


def write_gguf(path, model, bpe, kind=KINDS.F32, *, arch="llama", pre="smollm", omit=(), extra=()):
    """Write a model as llama.cpp's converter would."""
    tokens, merges = bpe
    config = model.config
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weight in state.items():
        for part, n_heads in heads.items():
            weight = interleave(weight, n_heads) if part in name else weight
        stored = KINDS.F32 if weight.ndim == 1 else kind
        if theirs(name) not in omit:
            writer.add_tensor(theirs(name), gguf.quantize(weight, stored), raw_dtype=stored)
    for name in extra:
        writer.add_tensor(name, np.ones(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(40)[None]).logits


@pytest.mark.parametrize("tied", [False, True])
def test_float32_comes_back_exactly(tmp_path, bpe, tied):
    model = make_llama(len(bpe[0]), tied=tied)
    assert convert_gguf(write_gguf(tmp_path / "m.gguf", model, bpe), tmp_path / "out") is None
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert back.dtype == torch.float32
    assert type(back) is LlamaForCausalLM
    for name, weight in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight), name
    assert torch.equal(logits(back), logits(model))
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        assert ("lm_head.weight" in file.keys()) is not tied  # noqa: SIM118 (safe_open is no mapping)
        assert json.loads(file.metadata()["rounding_std"]) == {}


def test_the_configuration_comes_back(tmp_path, bpe):
    model = make_llama(len(bpe[0]))
    convert_gguf(write_gguf(tmp_path / "m.gguf", model, bpe), tmp_path / "out")
    back = LlamaConfig.from_pretrained(tmp_path / "out")
    for key in CONFIGURATION:
        assert getattr(back, key) == getattr(model.config, key), key


@pytest.mark.parametrize("kind", [KINDS.Q4_0, KINDS.Q4_1, KINDS.Q5_0, KINDS.Q5_1, KINDS.Q8_0, KINDS.F16, KINDS.BF16])
def test_the_rounding_estimate_matches_the_rounding(tmp_path, bpe, kind):
    model = make_llama(len(bpe[0]))
    assert convert_gguf(write_gguf(tmp_path / "m.gguf", model, bpe, kind), tmp_path / "out") == kind.name
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        assert file.metadata()["quantisation"] == kind.name
        estimates = json.loads(file.metadata()["rounding_std"])
        matrices = {name: value for name, value in model.state_dict().items() if value.ndim == 2}
        assert estimates.keys() == matrices.keys()
        for name, weight in matrices.items():
            error = (file.get_tensor(name) - weight).square().mean().sqrt().item()
            assert error == pytest.approx(estimates[name], rel=0.15), name


def test_quantised_logits_are_near(tmp_path, bpe):
    model = make_llama(len(bpe[0]))
    convert_gguf(write_gguf(tmp_path / "m.gguf", model, bpe, KINDS.Q8_0), tmp_path / "out")
    back, true = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out")), logits(model)
    assert (back - true).norm() < 0.1 * true.norm()


@pytest.mark.parametrize("kind", [KINDS.Q2_K, KINDS.Q3_K, KINDS.Q4_K, KINDS.Q5_K, KINDS.Q6_K])
def test_steps_of_divided_blocks_are_the_gaps_between_levels(kind):
    """Entries of a sub-block lie on a grid: with random levels, the smallest gap is its step."""
    _, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    generator = np.random.default_rng(0)
    blocks = generator.integers(0, 256, (64, n_bytes), dtype=np.uint8)
    scale = {KINDS.Q2_K: [80, 82], KINDS.Q3_K: [108], KINDS.Q4_K: [0, 2], KINDS.Q5_K: [0, 2], KINDS.Q6_K: [208]}
    for start in scale[kind]:
        blocks[:, start : start + 2] = np.float16(0.01).reshape(1).view(np.uint8)
    entries = gguf.dequantize(blocks, kind).reshape(64, -1, 16 if kind in (KINDS.Q2_K, KINDS.Q3_K, KINDS.Q6_K) else 32)
    gaps = np.diff(np.sort(entries.astype(np.float64)), axis=-1)
    smallest = np.where(gaps > 1e-4, gaps, np.inf).min(axis=-1)
    smallest[np.isinf(smallest)] = 0
    assert quantisation_std(blocks, kind) == pytest.approx(np.sqrt(np.mean(smallest**2) / 12), rel=0.1)


def random_blocks(kind, n_blocks=16):
    """Return blocks of random levels, with scales that are finite numbers."""
    _, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    generator = np.random.default_rng(3)
    blocks = generator.integers(0, 256, (n_blocks, n_bytes), dtype=np.uint8)
    if kind == KINDS.MXFP4:
        blocks[:, 0] = generator.integers(118, 126, n_blocks)
    elif kind == KINDS.TQ2_0:  # four levels of two bits in a byte, of which the last is none
        blocks = (
            (generator.integers(0, 3, (n_blocks, n_bytes, 4), dtype=np.uint8) << [0, 2, 4, 6]).sum(2).astype(np.uint8)
        )
        blocks[:, -2:] = generator.uniform(0.01, 0.1, (n_blocks, 1)).astype(np.float16).view(np.uint8)
    elif kind == KINDS.NVFP4:
        blocks[:, :4] = generator.integers(20, 60, (n_blocks, 4))
    else:
        place = slice(-2, None) if kind == KINDS.TQ1_0 else slice(0, 2)
        blocks[:, place] = generator.uniform(0.01, 0.1, (n_blocks, 1)).astype(np.float16).view(np.uint8)
    return blocks


@pytest.mark.parametrize("kind", [KINDS.IQ4_NL, KINDS.IQ4_XS, KINDS.MXFP4, KINDS.NVFP4, KINDS.TQ1_0, KINDS.TQ2_0])
def test_the_estimate_of_unequal_levels_is_what_rounding_to_the_nearest_leaves(kind):
    """Twin: the scale of each block is found by trying all, and the error by rounding many numbers to its levels."""
    blocks, generator = random_blocks(kind), np.random.default_rng(4)
    entries = gguf.dequantize(blocks, kind).astype(np.float64)
    size = {KINDS.NVFP4: 16, KINDS.TQ1_0: 256, KINDS.TQ2_0: 256}.get(kind, 32)
    divisions, squares = entries.reshape(-1, size), []
    table = {KINDS.TQ1_0: (-1, 0, 1), KINDS.TQ2_0: (-1, 0, 1)}.get(
        kind, gguf.quants.IQ4_NL.kvalues if kind in (KINDS.IQ4_NL, KINDS.IQ4_XS) else gguf.quants.MXFP4.kvalues
    )
    table = np.unique(np.asarray(table, dtype=np.float64))
    for division in divisions:
        # With random levels the largest and the smallest of so many entries are on the table's ends, or nearly.
        candidates = [value / level for value in (division.max(), division.min()) for level in table if level]
        scale = min(candidates, key=lambda s: np.abs(division[:, None] - s * table).min(axis=1).max() - 1e-9 * abs(s))
        levels = np.sort(scale * table)
        for value in division:
            place = int(np.abs(levels - value).argmin())
            low = (levels[place - 1] + value) / 2 if place else value - (levels[1] - value) / 2
            high = (levels[place + 1] + value) / 2 if place + 1 < len(levels) else value + (value - levels[-2]) / 2
            squares.append(np.mean((generator.uniform(low, high, 60) - value) ** 2))
    assert quantisation_std(blocks, kind) == pytest.approx(np.sqrt(np.mean(squares)), rel=0.03)


@pytest.mark.parametrize("kind", [KINDS.IQ2_XXS, KINDS.IQ2_S, KINDS.IQ3_S, KINDS.IQ1_M])
def test_the_error_of_levels_that_stand_for_several_entries_is_unknown_and_not_zero(kind):
    assert np.isnan(quantisation_std(random_blocks(kind), kind))


def test_the_format_of_each_tensor_is_named_and_an_unknown_error_is_none(tmp_path, bpe, monkeypatch):
    model = make_llama(len(bpe[0]))
    path = write_gguf(tmp_path / "m.gguf", model, bpe, KINDS.MXFP4)
    convert_gguf(path, tmp_path / "out")
    matrix = weights.matrices(tmp_path / "out")[MatrixKey(0, "up")]
    described = matrix.describe(matrix.read())
    assert described["dtype"] == "MXFP4"
    assert described["rounding_std"] > 0
    monkeypatch.setattr(conversion, "quantisation_std", lambda data, kind: None if kind == KINDS.F32 else np.nan)
    convert_gguf(path, tmp_path / "unknown")
    matrix = weights.matrices(tmp_path / "unknown")[MatrixKey(0, "up")]
    described = matrix.describe(matrix.read())
    assert described["dtype"] == "MXFP4"
    assert np.isnan(described["rounding_std"])


def changed(path, key, value):
    """Overwrite a number of a GGUF file's header in its place."""
    reader = gguf.GGUFReader(path, "r+")
    part = reader.fields[key].parts[reader.fields[key].data[0]]
    part[0] = value
    reader.data.flush()
    return path


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("llama.attention.head_count", 0, "attention.head_count is 0; expected a whole number above 0"),
        ("llama.attention.head_count", 7, r"attention\.head_count_kv = 2 is not supported with 7 heads"),
        ("llama.attention.head_count_kv", 0, "attention.head_count_kv is 0"),
        ("llama.attention.head_count_kv", 4, r"'blk\.0\.attn_k\.weight' has shape .* by the numbers of the header"),
        ("llama.block_count", 200_000_000, "block_count is 200,000,000, but there are 21 tensors"),
        ("llama.block_count", 1, r"it holds blk\.1\.attn_k\.weight"),
        ("llama.embedding_length", 32, "has shape"),
        ("llama.feed_forward_length", 33, r"'blk\.0\.ffn_.*\.weight' has shape"),
        ("llama.attention.layer_norm_rms_epsilon", float("nan"), "expected a number above 0"),
        ("tokenizer.ggml.bos_token_id", 1_000_000, r"bos_token_id is 1000000, but there are \d+ tokens"),
    ],
)
def test_a_header_that_contradicts_the_tensors_is_refused(tmp_path, bpe, key, value, message):
    path = changed(write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe), key, value)
    with pytest.raises(UserError, match=message):
        convert_gguf(path, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_merges_and_tokens_that_do_not_fit_are_refused(tmp_path, bpe):
    tokens, merges = bpe
    model = make_llama(len(tokens))
    for others, message in (
        ((tokens, [*merges, "zzz qqq"]), "the merge 'zzz qqq' is not of two of its tokens into a third"),
        ((tokens, [*merges, "alone"]), "the merge 'alone' is not"),
        (([*tokens, "<late>"], merges), rf"{len(tokens) + 1} tokens, but the embedding has {len(tokens)} rows"),
    ):
        path = write_gguf(tmp_path / "m.gguf", model, others)
        with pytest.raises(UserError, match=message):
            convert_gguf(path, tmp_path / "out")


@pytest.mark.parametrize("n_files", [60, pytest.param(2_000, marks=pytest.mark.full)])
def test_a_damaged_file_is_converted_or_refused(tmp_path, bpe, n_files):
    """Seeded damage to the header: only the one error of a user may come out, and no file is read for ever."""
    whole = write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe).read_bytes()
    header, rng, n_refused = whole.index(b"blk.1.ffn_down.weight") + 60, np.random.default_rng(5), 0
    for number in range(n_files):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(0, 700 if number % 2 else header))
            content[place] = (0, 1, 255, int(rng.integers(0, 256)))[rng.integers(0, 4)]
        if number % 5 == 0:
            del content[int(rng.integers(0, len(content))) :]
        (tmp_path / "m.gguf").write_bytes(content)
        try:
            convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
        except UserError:
            n_refused += 1
    assert n_refused > n_files / 4


def test_rows_are_restored_head_by_head():
    weight = np.arange(24.0).reshape(12, 2)
    assert np.array_equal(restore_rows(interleave(weight, 2), 2), weight)
    assert not np.array_equal(restore_rows(interleave(weight, 2), 3), weight)


def test_the_tokenizer_comes_back(tmp_path, bpe):
    path = write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe)
    convert_gguf(path, tmp_path / "out")
    ours = AutoTokenizer.from_pretrained(tmp_path / "out")
    reference = AutoTokenizer.from_pretrained(tmp_path, gguf_file="m.gguf")
    assert (ours.bos_token, ours.eos_token, ours.unk_token) == ("<|start|>", "<|end|>", "<unk>")
    for text in (TEXT[0], TEXT[2], "a<|end|>b", "Ünknown wörds"):
        assert ours(text)["input_ids"] == reference(text)["input_ids"]
        assert ours(text)["input_ids"][0] == 1
        assert ours.decode(ours(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize(
    ("pre", "words"),
    [
        ("smollm", ["a", "Ġ", "1", "2", "3", "4", "ĊĊ", "5"]),
        ("gpt-2", ["a", "Ġ1234", "Ċ", "Ċ", "5"]),
        ("llama-bpe", ["a", "Ġ", "123", "4", "ĊĊ", "5"]),
        ("qwen2", ["a", "Ġ", "1", "2", "3", "4", "ĊĊ", "5"]),
    ],
)
def test_each_word_split_is_its_own(tmp_path, bpe, pre, words):
    convert_gguf(write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe, pre=pre), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out").backend_tokenizer
    assert [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str("a 1234\n\n5")] == words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "mamba"}, "architecture 'mamba' cannot be converted; supported: llama"),
        ({"pre": "chatglm-bpe"}, "word split 'chatglm-bpe' cannot be rebuilt; supported: 'gpt2' with"),
        ({"omit": ["blk.1.attn_k.weight"]}, r"it lacks blk\.1\.attn_k\.weight"),
        ({"extra": ["rope_freqs.weight"]}, r"it holds rope_freqs\.weight"),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path, bpe, changes, message):
    path = write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe, **changes)
    with pytest.raises(UserError, match=message):
        convert_gguf(path, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, bpe, share):
    path = write_gguf(tmp_path / "m.gguf", make_llama(len(bpe[0])), bpe)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"m\.gguf: (not a whole GGUF file|truncated)"):
        convert_gguf(path, tmp_path / "out")


def test_something_else_is_refused(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"PK" * 100)
    with pytest.raises(UserError, match="not a whole GGUF file"):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
