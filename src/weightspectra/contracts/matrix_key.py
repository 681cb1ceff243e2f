"""What identifies a weight matrix inside one model."""

from typing import NamedTuple

ROLES = ("query", "key", "value", "attention_output", "up", "gate", "down")
"""The roles a matrix can have, in the order in which tables and figures show them."""


class MatrixKey(NamedTuple):
    """What identifies a weight matrix inside one model.

    ``expert`` counts the experts of a mixture; a dense layer has one, number 0.
    """

    layer: int
    role: str
    expert: int = 0

    def __str__(self) -> str:
        expert = f", expert {self.expert}" if self.expert else ""
        return f"layer {self.layer} '{self.role}'{expert}"


KEY_COLUMNS = [*MatrixKey._fields]
"""The columns that identify a matrix in tables of one model."""
