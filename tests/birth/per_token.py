"""The bigram task drawn one token at a time, as its definition reads: the naive twin of the sampler."""

import numpy as np

from weightspectra.birth.task.bigram_task import Sequences


def draw(task, n, rng):
    """Draw n sequences."""
    drawn = [draw_sequence(task, rng) for _ in range(n)]
    tokens, occurrences, triggers, outputs = (np.array(part) for part in zip(*drawn, strict=True))
    return Sequences(tokens, occurrences.astype(np.int16), triggers, outputs)


def draw_sequence(task, rng):
    """Draw one sequence: tokens, occurrences, triggers, outputs."""
    unigram, conditional = task.bigrams.unigram, task.bigrams.conditional
    n_characters = len(unigram)
    if task.triggers == "random":
        triggers = [int(token) for token in rng.choice(n_characters, task.n_triggers, replace=False, p=unigram)]
    else:
        ranked = sorted(range(n_characters), key=lambda token: (-task.bigrams.counts[token], token))
        triggers = ranked[task.offset : task.offset + task.n_triggers]
    outputs = []
    for trigger in triggers:
        law = conditional[trigger].copy() if task.outputs == "bigram" else np.full(n_characters, 1 / n_characters)
        if task.no_repeat:
            law[trigger] = 0
        outputs.append(int(rng.choice(n_characters, p=law / law.sum())))
    answer = dict(zip(triggers, outputs, strict=True))
    met = dict.fromkeys(triggers, 0)
    tokens, occurrences = [int(rng.choice(n_characters, p=unigram))], []
    for _ in range(task.length):
        last = tokens[-1]
        if last in answer:
            met[last] += 1
            tokens.append(answer[last])
        else:
            tokens.append(int(rng.choice(n_characters, p=conditional[last])))
        occurrences.append(met.get(last, 0))
    return tokens, occurrences, triggers, outputs
