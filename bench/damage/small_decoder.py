"""A second decoder: a Llama of four blocks, trained on bytes of the corpus in minutes, cut, and predicted.

It learns from one part of the observed documents, is predicted on the rest of
them, and evaluated on the evaluation part, so that no text serves twice.
Queries share key heads, and a matrix of each shape (wide, tall, square) is there.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from agreement import Measured
from cells import CELLS, measure, predict
from transformers import LlamaConfig, LlamaForCausalLM

from weightspectra import contracts
from weightspectra.activations.windows import Window
from weightspectra.base.progress import track
from weightspectra.damage import next_tokens

WINDOW = 128
BATCH = 32
LARGEST_RATE = 3e-3
HELD_OUT = 8
"""Every so many-th observed document is not learned from."""


def measured(options: argparse.Namespace) -> Measured:
    """Train, predict and evaluate."""
    corpus = contracts.CORPUS.read(options.results / "corpora" / f"{options.corpus}.parquet")
    observed = corpus.loc[corpus["part"] == "observe", "text"].tolist()
    evaluated = corpus.loc[corpus["part"] == "evaluate", "text"].tolist()
    learned = [text for number, text in enumerate(observed) if number % HELD_OUT]
    model = trained(learned, options.steps)
    seen = next_tokens.language_batches(windows(observed[::HELD_OUT], options.n_windows), BATCH, 0)
    scored = next_tokens.language_batches(windows(evaluated, options.n_windows), BATCH, 0)
    predictors = predict(model, seen, next_tokens.predict)
    increases, weights, groups = measure(model, scored, next_tokens.predict)
    return Measured(increases, weights, {name: predictors[name] for name in CELLS}, groups)


def trained(texts: Sequence[str], steps: int) -> LlamaForCausalLM:
    """Return a model that has learned to predict the bytes of texts."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).train()
    data = torch.frombuffer(bytearray("\n\n".join(texts).encode()), dtype=torch.uint8).long()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LARGEST_RATE, betas=(0.9, 0.98), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LARGEST_RATE, total_steps=steps)
    for _ in track(range(steps), steps, "train a small decoder", "steps"):
        starts = torch.randint(0, len(data) - WINDOW - 1, (BATCH,))
        rows = torch.stack([data[start : start + WINDOW + 1] for start in starts])
        logits = model(input_ids=rows[:, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    print(f"small decoder: loss {loss.item():.3f} nats per byte after {steps} steps")
    return model.eval()


def windows(texts: Sequence[str], count: int) -> list[Window]:
    """Return windows of bytes, spread evenly over texts."""
    joined = "\n\n".join(texts).encode()
    starts = np.linspace(0, len(joined) - WINDOW - 1, count).astype(int)
    return [Window(str(start), list(joined[start : start + WINDOW + 1]), WINDOW) for start in starts.tolist()]
