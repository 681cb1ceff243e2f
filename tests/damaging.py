"""Seeded damage to the bytes of a file."""

import numpy as np


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with bytes changed, doubled, cut out or cut off; mostly near its beginning, where the header is."""
    content = bytearray(whole)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(0, max(1, len(content) // (4 if rng.random() < 0.7 else 1))))
        kind, length = rng.integers(0, 5), int(rng.integers(1, 20))
        if kind == 0:
            content[place : place + 1] = bytes([rng.integers(0, 256)])
        elif kind == 1:
            content[place : place + 1] = bytes([rng.choice(list(b'0123456789-[]{}",:e.'))])
        elif kind == 2:
            content[place:place] = content[place : place + length]
        elif kind == 3:
            del content[place : place + length]
        else:
            del content[int(rng.integers(0, len(content) + 1)) :]
    return bytes(content)
