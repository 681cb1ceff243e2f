"""What a fetched checkpoint leaves open is settled once: shards, wrappers, leftovers, weights in 8 bits."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from weightspectra.activations import windows
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import loading, quantised, weights
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.fetching.plain import make_plain
from weightspectra.models.settings import Model

QUERY = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture
def llama(tiny_models, tmp_path) -> Path:
    """A private copy of a tiny Llama, as save_pretrained leaves it."""
    model, _ = tiny_models("llama")
    model.save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def rewritten(folder: Path, change, **config) -> dict[str, torch.Tensor]:
    """Let a function change the tensors of a checkpoint, add to its configuration, and return the tensors before."""
    state = load_file(folder / "model.safetensors")
    save_file(change(dict(state)), folder / "model.safetensors", metadata={"format": "pt"})
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, **config}))
    return state


def same_weights(folder: Path, meant: dict[str, torch.Tensor]) -> None:
    """Check that the matrices that are read, and the model that is loaded, hold these weights."""
    for key, matrix in weights.matrices(folder).items():
        assert torch.equal(torch.from_numpy(matrix.read()), meant[matrix.slot.tensor].float()), key
    loaded = loading.load(folder, head="causal").state_dict()
    for name, weight in meant.items():
        assert torch.equal(loaded[name], weight.float()), name


def test_a_plain_checkpoint_is_left_as_it_is(llama):
    before = {path.name: path.stat().st_mtime_ns for path in llama.iterdir()}
    assert make_plain(llama) == []
    assert {path.name: path.stat().st_mtime_ns for path in llama.iterdir()} == before


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.", "module._orig_mod.", "model.module."])
def test_prefixes_of_wrappers_are_taken_off(llama, prefix):
    meant = rewritten(llama, lambda state: {prefix + name: value for name, value in state.items()})
    assert make_plain(llama) == ["names without the prefixes of a wrapper"]
    assert load_file(llama / "model.safetensors").keys() == meant.keys()
    same_weights(llama, meant)


def test_parts_that_were_compiled_alone(llama):
    meant = rewritten(
        llama, lambda state: {name.replace(".mlp.", "._orig_mod.mlp."): value for name, value in state.items()}
    )
    assert make_plain(llama) == ["names without the prefixes of a wrapper"]
    same_weights(llama, meant)


def test_a_models_own_prefix_stays(llama):
    """Without the head, every name of a Llama begins with 'model.', and none of them is a wrapper's."""
    rewritten(llama, lambda state: {name: value for name, value in state.items() if name.startswith("model.")})
    assert make_plain(llama) == []
    prefixed = rewritten(llama, lambda state: {f"module.{name}": value for name, value in state.items()})
    make_plain(llama)
    assert load_file(llama / "model.safetensors").keys() == prefixed.keys()


def test_a_prefix_on_some_names_is_no_wrapper(llama):
    rewritten(llama, lambda state: {**state, f"module.{QUERY}": state[QUERY] + 1})
    assert make_plain(llama) == []
    with pytest.raises(
        UserError, match=f"both '{QUERY}' and 'module.{QUERY}' claim to hold it|'module.{QUERY}' and"
    ) as refusal:
        weights.matrices(llama)
    assert str(refusal.value).endswith("save the one model alone with save_pretrained, and take that folder")


def test_a_name_with_and_without_a_wrapper_is_refused(llama):
    rewritten(llama, lambda state: {**state, f"_orig_mod.{QUERY}": state[QUERY] + 1})
    cure = "save the model again without its wrapper .*, or take the other name out of the file"
    with pytest.raises(UserError, match=f"'{QUERY}' stands in the checkpoint twice, with and without .*; {cure}"):
        make_plain(llama)


def sharded(folder: Path) -> dict[str, torch.Tensor]:
    """Divide a checkpoint into two shards of which the later one holds a stale query matrix."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    head = {"lm_head.weight": state["lm_head.weight"], QUERY: torch.zeros_like(state[QUERY])}
    rest = {name: value for name, value in state.items() if name != "lm_head.weight"}
    places = {name: "model-2.safetensors" if name == "lm_head.weight" else "model-1.safetensors" for name in state}
    save_file(rest, folder / "model-1.safetensors", metadata={"format": "pt"})
    save_file(head, folder / "model-2.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return state


def test_a_stale_tensor_is_in_no_later_stage(llama, tmp_path):
    meant = sharded(llama)
    facts = fetch("m", Model.model_validate({"source": {"path": str(llama)}}), tmp_path / "out", seed=None)
    said = f"1 tensors left out that the index does not assign to their shard ({QUERY})"
    assert facts.provenance["changes"] == [said]
    assert not list((tmp_path / "out").glob("*.index.json"))
    same_weights(tmp_path / "out", meant)
    assert (llama / "model-2.safetensors").is_file()  # the user's own folder is left as it is


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "fp8"])
def test_a_leftover_of_quantisation_is_left_out(llama, method):
    meant = rewritten(llama, dict, quantization_config={"quant_method": method})
    assert make_plain(llama) == [f"quantization_config ({method}) left out: the weights are plain"]
    assert "quantization_config" not in json.loads((llama / "config.json").read_text())
    same_weights(llama, meant)


def test_numbers_without_a_scale_are_refused(llama):
    rewritten(llama, lambda state: {**state, QUERY: state[QUERY].to(torch.int8)}, quantization_config={})
    with pytest.raises(UserError, match=f"'{QUERY}' is stored as I8"):
        make_plain(llama)
        weights.matrices(llama)


@pytest.mark.parametrize(
    ("ending", "meant"),
    [
        ("qweight", "GPTQ or AWQ"),
        ("g_idx", "GPTQ or AWQ"),
        ("SCB", "bitsandbytes with 8 bits"),
        ("weight.absmax", "bitsandbytes with 4 bits"),
        ("weight.quant_state.bitsandbytes__nf4", "bitsandbytes with 4 bits"),
        ("weight_packed", "compressed-tensors with packed weights"),
        ("weight_scale_2", "NVFP4 of ModelOpt"),
        ("weight_scale", "8 bits with scales"),
        ("weight_scale_inv", "8 bits with scales"),
        ("scale_inv", "8 bits with scales"),
        ("scales", "packed weights with scales"),
    ],
)
@pytest.mark.parametrize("spoken", [False, True])
def test_what_says_that_a_weight_is_no_weight_is_refused(llama, ending, meant, spoken):
    """Also where the configuration does not speak of it, and the weight beside it looks plain."""
    name = QUERY.removesuffix("weight") + ending
    said = {"quantization_config": {"quant_method": "some"}} if spoken else {}
    rewritten(llama, lambda state: {**state, name: torch.ones(4)}, **said)
    with pytest.raises(
        UserError, match=rf"'{name}' says that the weights are quantised \({meant}\).*take the original"
    ):
        make_plain(llama)
    with pytest.raises(UserError, match="says that the weights are quantised"):
        weights.matrices(llama)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed-tensors, pack-quantized"),
        (
            {"quant_method": "compressed-tensors", "format": "dense", "sparsity_config": {"format": "sparse-bitmask"}},
            "compressed-tensors, sparse-bitmask",
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt, NVFP4"),
    ],
)
@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
def test_a_configuration_that_speaks_of_packed_weights_is_refused(told, said, key):
    with pytest.raises(UserError, match=rf"weights are quantised \({said}\), .* take the original"):
        quantised.refuse_announced({key: told})


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        "awq",
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        {"quant_method": "compressed-tensors", "format": "float-quantized", "sparsity_config": {"format": "dense"}},
        {"quant_method": "modelopt", "quant_algo": "FP8"},
        {"quant_method": "of next year"},
    ],
)
def test_a_configuration_of_what_may_be_read_is_not_refused(told):
    quantised.refuse_announced({"quantization_config": told})


def test_the_experts_of_gpt_oss_are_refused(llama):
    rewritten(llama, lambda state: {**state, "model.layers.0.mlp.experts.down_proj_blocks": torch.ones(4)})
    with pytest.raises(UserError, match=r"down_proj_blocks' says that the weights are quantised \(MXFP4\)"):
        make_plain(llama)


def test_an_adapter_is_refused_wherever_it_stands(llama, tmp_path):
    rewritten(llama, lambda state: {**state, "model.layers.0.self_attn.q_proj.lora_A.default.weight": torch.ones(2, 2)})
    with pytest.raises(UserError, match=r"belongs to an adapter that is not merged.*merge_and_unload"):
        make_plain(llama)
    (llama / "adapter_config.json").write_text("{}")
    entry = Model.model_validate({"source": {"path": str(llama)}})
    with pytest.raises(UserError, match=r"holds an adapter .*merge_and_unload.*or take adapter_config\.json away"):
        fetch("m", entry, tmp_path / "out", seed=None)
    (llama / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds an adapter .*take the result$"):
        fetch("m", entry, tmp_path / "out", seed=None)


def naive(stored: torch.Tensor, scale: torch.Tensor, block: tuple[int, int], zero: torch.Tensor | None = None):
    """Return what 8-bit numbers stand for, and the spacing of those numbers there, one entry at a time."""
    values, steps = torch.zeros(stored.shape), torch.zeros(stored.shape, dtype=torch.float64)
    for i in range(stored.shape[0]):
        for j in range(stored.shape[1]):
            place = i // block[0], j // block[1]
            number = stored[i, j].float()
            values[i, j] = (number - (zero[place].float() if zero is not None else 0)) * scale[place].float()
            if stored.dtype == torch.int8:
                step = 1.0
            else:
                fraction_bits, lowest = {torch.float8_e4m3fn: (3, -6), torch.float8_e5m2: (2, -14)}[stored.dtype]
                exponent = np.floor(np.log2(abs(number.item()))) if number else lowest
                step = 2.0 ** (max(exponent, lowest) - fraction_bits)
            steps[i, j] = step * scale[place].double()
    return values, float((steps.square().mean() / 12).sqrt())


CASES = {
    "fp8 in blocks, as DeepSeek ships it": (torch.float8_e4m3fn, "_scale_inv", (16, 24), torch.float32),
    "fp8, the last blocks cut off": (torch.float8_e4m3fn, "_scale_inv", (24, 20), torch.float32),
    "fp8, one scale per row": (torch.float8_e4m3fn, "_scale", (1, 32), torch.bfloat16),
    "fp8, one scale": (torch.float8_e5m2, "_scale", (32, 32), torch.float32),
    "int8, one scale per row": (torch.int8, "_scale", (1, 32), torch.bfloat16),
}


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_weights_in_8_bits_are_what_their_scales_make_them(llama, case, shifted):
    stored_as, ending, block, scale_type = CASES[case]
    generator = torch.Generator().manual_seed(1)
    shape = tuple(-(-32 // step) for step in block)
    scale = (0.01 + torch.rand(shape, generator=generator)).to(scale_type)
    exact = 3 * torch.randn(32, 32, generator=generator)
    stored = (40 * exact).round().clamp(-127, 127).to(torch.int8) if stored_as == torch.int8 else exact.to(stored_as)
    zero = torch.randint(-9, 9, shape, generator=generator).to(torch.int8) if shifted else None
    beside = {QUERY: stored, QUERY + ending: scale} | ({f"{QUERY}_zero_point": zero} if shifted else {})
    beside["model.layers.0.self_attn.q_proj.input_scale"] = torch.ones(1)
    told = {"quantization_config": {"quant_method": "fp8", "weight_block_size": list(block)}}
    meant = rewritten(llama, lambda state: {**state, **beside}, **told)
    meant[QUERY], rounding = naive(stored, scale, block, zero)
    changes = make_plain(llama)
    assert len(changes) == 2
    assert "1 weights dequantised" in changes[1]
    same_weights(llama, meant)
    matrix = weights.matrices(llama)[MatrixKey(0, "query")]
    described = matrix.describe(matrix.read())
    assert described["dtype"] in changes[1]
    assert described["rounding_std"] == pytest.approx(rounding, rel=1e-6)
    assert AutoModelForCausalLM.from_pretrained(llama).dtype == torch.float32


def test_the_rounding_of_fp8_is_what_it_did(llama):
    """The estimate against the error of a matrix that was really rounded, block by block."""
    exact = torch.randn(32, 32, generator=torch.Generator().manual_seed(2))
    scale = exact.reshape(2, 16, 2, 16).abs().amax((1, 3)) / 448
    spread = scale.repeat_interleave(16, 0).repeat_interleave(16, 1)
    stored = (exact / spread).to(torch.float8_e4m3fn)
    told = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [16, 16]}}
    rewritten(llama, lambda state: {**state, QUERY: stored, f"{QUERY}_scale_inv": scale}, **told)
    make_plain(llama)
    matrix = weights.matrices(llama)[MatrixKey(0, "query")]
    error = (torch.from_numpy(matrix.read()) - exact).square().mean().sqrt().item()
    assert matrix.describe(matrix.read())["rounding_std"] == pytest.approx(error, rel=0.1)


def test_scales_that_do_not_fit_are_refused(llama):
    beside = {QUERY: torch.ones(32, 32).to(torch.float8_e4m3fn), f"{QUERY}_scale_inv": torch.ones(5, 3)}
    rewritten(llama, lambda state: {**state, **beside})
    with pytest.raises(UserError, match=r"scales of shape \(5, 3\) do not fit a weight of shape \(32, 32\)"):
        make_plain(llama)


def test_a_configuration_without_a_model_type(tiny_bert, tmp_path):
    config = json.loads((tiny_bert / "config.json").read_text())
    del config["model_type"]
    folder = tmp_path / "old"
    folder.mkdir()
    for path in tiny_bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"config\.json names no model_type.* for example architecture: bert"):
        fetch("old", Model.model_validate({"source": {"path": str(folder)}}), tmp_path / "out", seed=None)
    entry = Model.model_validate({"source": {"path": str(folder)}, "architecture": "bert"})
    fetch("old", entry, tmp_path / "out", seed=None)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "bert"
    assert "model_type" not in json.loads((folder / "config.json").read_text())
    assert loading.load(tmp_path / "out").config.model_type == "bert"
    wrong = Model.model_validate({"source": {"path": str(tiny_bert)}, "architecture": "llama"})
    with pytest.raises(UserError, match=r"architecture: llama, but config\.json says model_type 'bert'"):
        fetch("old", wrong, tmp_path / "out", seed=None)


@pytest.mark.parametrize("name", ["checkpoint-500", "0_Transformer"])
def test_a_model_in_a_folder_of_the_folder_is_pointed_to(llama, tmp_path, name):
    outer = tmp_path / "outer"
    outer.mkdir()
    llama.rename(outer / name)
    with pytest.raises(UserError, match=rf"no config\.json.*; models lie in its folders: {name}"):
        fetch("m", Model.model_validate({"source": {"path": str(outer)}}), tmp_path / "out", seed=None)


def read_by(folder: Path, texts: bool, out: Path) -> list[str]:
    """Fetch a folder for a configuration that gives it texts, or none; return the files."""
    facts = fetch("m", Model.model_validate({"source": {"path": str(folder)}}), out, seed=None, texts=texts)
    return [file["path"] for file in facts.files]


def test_what_reads_no_text_needs_no_tokenizer_and_no_right_size_of_the_vocabulary(llama, tmp_path):
    rewritten(llama, dict, vocab_size=72)
    assert "config.json" in read_by(llama, False, tmp_path / "out")
    with pytest.raises(UserError, match=r"vocab_size 72, but the embedding 'model\.embed_tokens\.weight' has 64 rows"):
        read_by(llama, True, tmp_path / "out")
    rewritten(llama, dict, vocab_size=64)
    with pytest.raises(UserError, match=r"no loadable tokenizer, .*found none of them .*only its spectra"):
        read_by(llama, True, tmp_path / "out")
    (llama / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    (llama / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    with pytest.raises(UserError, match=r"no loadable tokenizer, .*found tokenizer\.model "):
        read_by(llama, True, tmp_path / "out")


def words(number):
    return Tokenizer(WordLevel({f"w{each}": each for each in range(number)}, unk_token="w0"))


def test_a_token_without_a_row_is_named_with_both_numbers(llama, tmp_path):
    words(64).save(str(llama / "tokenizer.json"))
    assert "tokenizer.json" in read_by(llama, True, tmp_path / "out")
    words(66).save(str(llama / "tokenizer.json"))
    message = r"knows 'w64' as number 64, but the embedding has 64 rows, 0 to 63 \(2 tokens have none\): resize"
    with pytest.raises(UserError, match=message):
        read_by(llama, True, tmp_path / "out")


def with_token_to_pad(folder, **special):
    """Add a token to a tokenizer of 64 words, and none to the embedding, as fine-tunings do that pad with one."""
    tokenizer = words(64)
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(["<pad>"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0", **special).save_pretrained(folder)


def test_a_token_to_pad_with_needs_no_row_as_long_as_no_text_holds_it(llama, tmp_path, capsys):
    with_token_to_pad(llama, pad_token="<pad>")
    rewritten(llama, dict, pad_token_id=64)
    assert "tokenizer.json" in read_by(llama, True, tmp_path / "out")
    said = "knows '<pad>' as number 64, but the embedding has 64 rows, 0 to 63 (1 tokens have none): texts in which"
    assert said in capsys.readouterr().err
    tokenizer, model = loading.load_tokenizer(tmp_path / "out"), loading.load(tmp_path / "out", head="causal")
    assert (tokenizer.embedding_rows, tokenizer.pad_token_id) == (64, 0)
    assert windows.observation_windows({"a": "w1 w2 w3 " * 8}, tokenizer, window=8, n_tokens=16)
    with pytest.raises(UserError, match=r"^the text holds '<pad>', which the tokenizer knows as number 64"):
        windows.observation_windows({"a": "w1 w2 <pad> " * 8}, tokenizer, window=8, n_tokens=16)
    padded = tokenizer(["w1 w2 w3", "w1"], padding=True, return_tensors="pt")
    assert torch.isfinite(model(**padded).logits).all()


def test_a_token_that_is_put_around_texts_needs_a_row(llama, tmp_path):
    with_token_to_pad(llama, bos_token="<pad>")
    with pytest.raises(UserError, match=r"knows '<pad>' as number 64, .*: resize the embedding"):
        read_by(llama, True, tmp_path / "out")


@pytest.mark.parametrize("content", ["[" * 200_000, '{"model": ' * 100_000, "{}", "[]"])
def test_a_tokenizer_that_is_none_is_a_sentence(llama, tmp_path, content):
    (llama / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match="no loadable tokenizer"):
        read_by(llama, True, tmp_path / "out")


@pytest.mark.parametrize("depth", [125, 1_000, 100_000])
def test_a_tokenizer_that_is_deeply_nested_is_a_sentence(llama, tmp_path, depth):
    """Python's reader gives up at about a thousand, the library's own reader before."""
    nested = '{"type": "Sequence", "normalizers": [' * depth + "]}" * depth
    whole = Tokenizer(WordLevel({"a": 0}, unk_token="a")).to_str()
    (llama / "tokenizer.json").write_text(whole.replace('"normalizer":null', f'"normalizer":{nested}'))
    with pytest.raises(UserError, match=r"no loadable tokenizer, .*\(.*recursion"):
        read_by(llama, True, tmp_path / "out")


@pytest.mark.parametrize("n_words", [60_000, pytest.param(3_500_000, marks=pytest.mark.full)], ids=["2 MB", "110 MB"])
def test_a_large_tokenizer_is_read_up_to_a_limit(llama, tmp_path, monkeypatch, n_words):
    words = {f"word{number:09d}": number for number in range(n_words)}
    Tokenizer(WordLevel(words, unk_token="word000000000")).save(str(llama / "tokenizer.json"), pretty=False)
    with pytest.raises(UserError, match=rf"'word000000064' as number 64, .* \({n_words - 64} tokens have none"):
        read_by(llama, True, tmp_path / "out")
    monkeypatch.setattr(loading, "LARGEST_TOKENIZER", 1_000_000)
    with pytest.raises(
        UserError, match=r"tokenizer\.json: [\d,]+ bytes, .* the largest .* has 1,000,000: put in the one"
    ):
        read_by(llama, True, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1_000_000_000}, "speaks of 1,000,000,000 layers; no model has 10,000; mend the files"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0; expected a whole number above 0"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers is two; expected a whole number"),
        ({"num_hidden_layers": 3}, "does not fit its config.json"),
        ({"model_type": ["llama"]}, "has no row in the table of architectures"),
    ],
)
def test_numbers_of_a_configuration_that_cannot_be_are_refused(llama, tmp_path, change, message):
    rewritten(llama, dict, **change)
    with pytest.raises(UserError) as refusal:
        read_by(llama, False, tmp_path / "out")
    assert message in str(refusal.value)
