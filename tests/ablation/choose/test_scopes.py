"""One head of a real model: its parts add up, and are its own."""

import numpy as np
import pytest
import torch
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.edit.truncation import Stored, edited
from weightspectra.ablation.settings import Cut
from weightspectra.models import live
from weightspectra.models.attention import head_counts
from weightspectra.spectra.svd import decompose


class Model:
    """A tiny model with the decomposition of its matrices."""

    def __init__(self, architecture):
        self.model = tiny_causal(architecture)
        self.matrices = live.matrices(self.model)
        found = {key: decompose(matrix.read().numpy()) for key, matrix in self.matrices.items()}
        self.spectra = {
            key: Spectrum(found[key].singular_values.numpy(), *matrix.read().shape)
            for key, matrix in self.matrices.items()
        }
        self.stored = Stored(lambda key: found[key].short_vectors.numpy())
        self.head_counts = head_counts(self.model.config.to_dict())

    def cuts(self, **entry):
        return plan_cuts([Cut(**entry)], self.spectra, head_counts=self.head_counts)

    def lost(self, cut):
        """What each matrix of a cut loses, in float64."""
        before = {key: self.matrices[key].read().double() for key in cut.edits}
        with edited(self.matrices, cut.edits, self.stored):
            return {key: (weight - self.matrices[key].read()).numpy() for key, weight in before.items()}

    def logits(self):
        tokens = torch.from_numpy(np.random.default_rng(0).integers(3, VOCABULARY, (2, 9)))
        with torch.inference_mode():
            return self.model(input_ids=tokens).logits


@pytest.mark.parametrize("architecture", ["Llama", "GPTNeoX", "GPT2"])
@pytest.mark.parametrize("values", [{"remove": {"deciles": [3]}}, {"keep": {"deciles": [10]}}])
def test_the_cuts_of_all_heads_add_up_to_the_cut_of_the_matrix(architecture, values):
    model = Model(architecture)
    heads = [model.lost(cut) for cut in model.cuts(**values, scope="head", layers=[1])]
    (whole,) = model.cuts(**values, scope="layer", layers=[1], roles=list(model.head_counts))
    assert len(heads) == model.head_counts["query"]
    for key, lost in model.lost(whole).items():
        shared = len(heads) // model.head_counts[key.role]  # query heads that read the same keys and values
        parts = [parts[key] for parts in heads]
        np.testing.assert_array_equal(sum(parts[::shared]), lost)
        assert all(np.array_equal(parts[head], parts[head // shared * shared]) for head in range(len(heads)))
        assert all(part.any() for part in parts)


@pytest.mark.parametrize("architecture", ["Llama", "GPTNeoX", "GPT2"])
def test_removing_all_of_a_heads_output_silences_this_head(architecture):
    model = Model(architecture)
    size = 32 // 4
    entry = {"remove": {"indices": [0, 31]}, "scope": "head", "roles": ["attention_output"], "layers": [0]}
    for head, cut in enumerate(model.cuts(**entry)):
        (key,) = cut.edits
        with edited(model.matrices, cut.edits, model.stored):
            found = model.logits()
        others = torch.ones(32)
        others[head * size : (head + 1) * size] = 0
        hook = model.matrices[key].module.register_forward_pre_hook(lambda _, args, others=others: (args[0] * others,))
        silenced = model.logits()
        hook.remove()
        torch.testing.assert_close(found, silenced, rtol=1e-5, atol=1e-5)
        assert (found - model.logits()).abs().max() > 1e-2
