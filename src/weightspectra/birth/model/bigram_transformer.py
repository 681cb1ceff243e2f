"""The small transformers that are trained here on the bigram task, as the library's own classes know them.

Importing this module makes ``AutoConfig``, ``AutoModel`` and
``AutoModelForCausalLM`` know them, too.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from weightspectra.birth.model.bigram_config import BigramConfig


class SinusoidalPositions(nn.Embedding):
    """A table of positions whose columns are waves of falling frequency (Vaswani et al. 2017, section 3.5)."""


class Attention(nn.Module):
    """Causal attention; in the simplified model queries are the input itself.

    The weight of position s at position t is softmax over s <= t of
    ``q_t . k_s / sqrt(d_head)``, or without the root if ``scale_attention`` is off.
    """

    def __init__(self, config: BigramConfig):
        super().__init__()
        width = config.dimension
        self.n_heads = config.n_heads
        self.scale = config.attention_scale
        self.query = nn.Identity() if config.kind == "simplified" else nn.Linear(width, width, bias=False)
        self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, hidden: torch.Tensor, with_weights: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mix the positions of each sequence; the weights, of shape (n, heads, T, T), only if wanted."""
        states = (part(hidden).unflatten(-1, (self.n_heads, -1)) for part in (self.query, self.key, self.value))
        query, key, value = (state.transpose(1, 2) for state in states)
        weights = None
        if with_weights:
            scores = self.scale * query @ key.transpose(2, 3)
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            weights = scores.masked_fill(later, -math.inf).softmax(-1)
            mixed = weights @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale)
        return self.output(mixed.transpose(1, 2).flatten(2)), weights


class FeedForward(nn.Module):
    """A linear map, or a perceptron of width 4 d with ReLU; no biases."""

    def __init__(self, config: BigramConfig):
        super().__init__()
        width = config.dimension
        self.is_linear = config.feed_forward == "linear"
        if self.is_linear:
            self.linear = nn.Linear(width, width, bias=False)
        else:
            self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map each position."""
        return self.linear(hidden) if self.is_linear else self.down(F.relu(self.up(hidden)))


class Layer(nn.Module):
    """One layer: attention, then the feed-forward map if it has one, each added to what it read.

    With ``norm: pre`` each part reads a normalised input: ``h <- h + A(n1(h))``,
    then ``h <- h + F(n2(h))``. In the authors' code F reads the input of the
    block instead, ``h <- h + A(n1(h)) + F(n2(h))``, in parallel to attention;
    here it comes after, as in other transformers (and in their post-norm and
    simplified models). With ``norm: post`` the sum is normalised: ``h <- n1(h + A(h))``.
    """

    def __init__(self, config: BigramConfig, layer: int):
        super().__init__()
        last, full = layer == config.n_layers - 1, config.kind == "full"
        fed = config.feed_forward != "none" and ((layer > 0 or config.first_feed_forward) if full else last)
        self.norm_first = config.norm == "pre"
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config) if fed else None
        self.norm_1 = _norm(config)
        self.norm_2 = _norm(config) if fed else None

    def forward(self, hidden: torch.Tensor, with_weights: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the hidden states after this layer, and the attention weights if wanted."""
        mixed, weights = self.attention(self.norm_1(hidden) if self.norm_first else hidden, with_weights)
        hidden = self._add(hidden, mixed, self.norm_1)
        if self.feed_forward is not None and self.norm_2 is not None:
            fed = self.feed_forward(self.norm_2(hidden) if self.norm_first else hidden)
            hidden = self._add(hidden, fed, self.norm_2)
        return hidden, weights

    def _add(self, hidden: torch.Tensor, part: torch.Tensor, norm: nn.Module) -> torch.Tensor:
        return hidden + part if self.norm_first else norm(hidden + part)


def _norm(config: BigramConfig) -> nn.Module:
    return nn.Identity() if config.norm == "none" else nn.LayerNorm(config.dimension, eps=1e-5)


class BigramDecoder(nn.Module):
    """Everything but the unembedding; holds the modules of a :class:`BigramTransformer`, not copies of them."""

    def __init__(self, whole: "BigramTransformer"):
        super().__init__()
        self.embedding, self.positions = whole.embedding, whole.positions
        self.layers, self.norm = whole.layers, whole.norm

    def forward(
        self,
        input_ids: torch.Tensor,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        **unused: Any,
    ) -> BaseModelOutput:
        """Return the hidden states after the last layer (and norm), and what else is wanted.

        Padding must stand on the right, where a causal model does not look; a mask is not needed.

        Raises
        ------
        ValueError
            When there are more tokens than positions.
        """
        n_tokens, n_positions = input_ids.shape[1], self.positions.num_embeddings
        if n_tokens > n_positions:
            raise ValueError(f"{n_tokens} tokens in a sequence, but the model has {n_positions} positions")
        hidden = self.embedding(input_ids) + self.positions.weight[:n_tokens]
        passed, attended = [hidden], []
        for layer in self.layers:
            hidden, weights = layer(hidden, output_attentions)
            passed.append(hidden)
            attended.append(weights)
        return BaseModelOutput(
            last_hidden_state=self.norm(hidden),
            hidden_states=tuple(passed) if output_hidden_states else None,
            attentions=tuple(attended) if output_attentions else None,
        )


class BigramTransformer(PreTrainedModel):
    """A transformer of the bigram task.

    Every linear map is an ordinary ``nn.Linear`` without bias, so that stages
    which hook or edit modules find what they expect. Unlike elsewhere in the
    library, the names of the parameters have no prefix of a base model.

    Parameters
    ----------
    config : BigramConfig

    Notes
    -----
    Embeddings and positions begin with entries N(0, 1), linear maps with
    U(-1/sqrt n, 1/sqrt n) of their n inputs, which is PyTorch's default.

    References
    ----------
    A. Bietti et al., Birth of a Transformer, arXiv 2306.00802, sections 3 and 5.
    """

    config: BigramConfig
    base_model_prefix = ""
    _tied_weights_keys = {"unembedding.weight": "embedding.weight"}  # noqa: RUF012 (the library's)
    _no_split_modules = ["Layer"]  # noqa: RUF012
    decoder: BigramDecoder

    def __init__(self, config: BigramConfig):
        super().__init__(config)
        sizes = config.max_position_embeddings, config.dimension
        self.embedding = nn.Embedding(config.vocab_size, config.dimension)
        self.positions = (SinusoidalPositions if config.positions == "sinusoidal" else nn.Embedding)(*sizes)
        self.layers = nn.ModuleList([Layer(config, layer) for layer in range(config.n_layers)])
        self.norm = _norm(config) if config.norm == "pre" else nn.Identity()  # with post, the last block ends in one
        self.unembedding = nn.Linear(config.dimension, config.vocab_size, bias=False)
        self.__dict__["decoder"] = BigramDecoder(self)  # no child, or every parameter would have two names
        self.post_init()

    @property
    def base_model(self) -> nn.Module:
        """The model without its unembedding."""
        return self.decoder

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of embeddings."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Module:
        """Return the unembedding."""
        return self.unembedding

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **unused: Any,
    ) -> CausalLMOutput:
        """Return the logits of the next token, shape (n, T, N).

        Parameters
        ----------
        input_ids : Tensor of int64, shape (n, T)
        attention_mask : Tensor, optional
            Ignored: padding must stand on the right, where a causal model does not look.
        output_attentions : bool, optional
            Also give the attention weights: one tensor of shape (n, heads, T, T) per layer.
        output_hidden_states : bool, optional
            Also give what enters the first layer and leaves each.
        """
        wanted = {
            "output_attentions": bool(output_attentions),
            "output_hidden_states": bool(output_hidden_states),
        }
        decoded = self.decoder(input_ids, **wanted)
        return CausalLMOutput(
            logits=self.unembedding(decoded.last_hidden_state),
            hidden_states=decoded.hidden_states,
            attentions=decoded.attentions,
        )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, SinusoidalPositions):
            init.copy_(module.weight, sinusoids(*module.weight.shape))
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight)
        elif isinstance(module, nn.Linear):
            init.uniform_(module.weight, -(module.in_features**-0.5), module.in_features**-0.5)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


def sinusoids(n_positions: int, dimension: int) -> torch.Tensor:
    """Return the table of positions of Vaswani et al.: sin(t w_i), cos(t w_i) side by side, w_i = 10000^(-2i/d)."""
    frequencies = 10000.0 ** (-torch.arange(0, dimension, 2, dtype=torch.float64) / dimension)
    angles = torch.arange(n_positions, dtype=torch.float64)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :dimension].float()


def initialised(config: BigramConfig, seed_of: Callable[[str], int]) -> BigramTransformer:
    """Return a model of which every module draws its weights with a seed of its own.

    Two models that have a module of one name and shape in common thus begin with the same weights there.

    Parameters
    ----------
    config : BigramConfig
    seed_of : callable
        From the name of a module to a seed.
    """
    with torch.random.fork_rng(devices=[]):
        model = BigramTransformer(config)
        for name, module in model.named_modules():
            if module is model.unembedding and config.tie_embeddings:
                continue  # it is the embedding, which has begun as one
            torch.manual_seed(seed_of(name))
            model._init_weights(module)
    return model


AutoConfig.register(BigramConfig.model_type, BigramConfig)
AutoModel.register(BigramConfig, BigramTransformer)
AutoModelForCausalLM.register(BigramConfig, BigramTransformer)
