"""A classifier on the tiny BERT, and texts that it can learn to tell apart."""

import numpy as np
import pandas as pd

from weightspectra.ablation.edit.truncation import Stored
from weightspectra.finetuning.classification import Classifier, choose, tokenised
from weightspectra.finetuning.runs import TuningSubject
from weightspectra.finetuning.settings import Finetuning
from weightspectra.models import live, loading
from weightspectra.spectra.svd import decompose

WANTED = {
    "models": ["tiny"],
    "data_set": "toy",
    "epochs": 2,
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "warmup_share": 0.1,
    "batch_size": 8,
    "deciles": [1, 10],
    "n_seeds_removed": 1,
}


def texts(n_train=48, n_test=24):
    """Texts of one class hold more of the letters a-e, those of the other more of v-z; in pairs of one group."""
    rng = np.random.default_rng(7)
    rows = []
    for split, count in (("train", n_train), ("test", n_test)):
        for number in range(count):
            label = number % 2
            letters = rng.choice(list("vwxyz" if label else "abcde"), rng.integers(3, 15))
            noise = rng.choice(list("klmno"), 3)
            rows.append(
                {
                    "data_set": "toy",
                    "split": split,
                    "example": f"{split} {number}",
                    "text": " ".join([*letters, *noise]),
                    "pair": "",
                    "label": label,
                    "label_name": ["early", "late"][label],
                    "group": f"{split} group {number // 2}",
                }
            )
    return pd.DataFrame(rows)


def subject(folder, table=None, n_classes=2):
    """Return a subject on a model folder, its vectors decomposed afresh."""
    table = texts() if table is None else table
    tokenizer = loading.load_tokenizer(folder)
    encoder = loading.load(folder)
    matrices = live.matrices(encoder)
    vectors = {key: decompose(matrix.read()).short_vectors.float().numpy() for key, matrix in matrices.items()}
    rng = np.random.default_rng(0)
    parts = [tokenised(tokenizer, choose(table, split, None, rng), max_length=32) for split in ("train", "test")]
    classifier = Classifier(encoder, n_classes, tokenizer.pad_token_id or 0)
    return TuningSubject(classifier, matrices, Stored(vectors.__getitem__), *parts)


def plan(seeds=(11, 12), **changed):
    """Return a fine-tuning of two epochs, and the seeds of its runs."""
    return Finetuning(**WANTED | changed), seeds
