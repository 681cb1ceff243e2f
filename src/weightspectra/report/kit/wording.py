"""How numbers, roles and shares are spelled in every table, figure and sentence of the report."""

import math
from collections.abc import Iterable, Sequence

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

ROLE_TITLES = {
    "query": "Query",
    "key": "Key",
    "value": "Value",
    "attention_output": "Attention output",
    "up": "Up",
    "gate": "Gate",
    "down": "Down",
}
"""From each role to what people read, in the order in which roles are shown."""


def percent(share: float) -> str:
    """Spell a share as a percentage without its sign: ``"12.3"``, ``"0.14"``, ``"<0.01"``; exact zero is ``"0"``.

    An estimate of a share can be below zero by chance: ``"−1.2"``.
    """
    value = 100 * share
    if math.isnan(value):
        return NOTHING
    if value < 0:
        return "0" if value > -0.01 else f"{MINUS}{percent(-share)}"
    if value == 0:
        return "0"
    if value < 0.01:
        return "<0.01"
    if value < 1:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 or value == 100 else ">99.9"


def whole_percent(share: float) -> str:
    """Spell a share as a whole percentage without its sign: ``"12"``, ``"−3"``, ``"0"``."""
    value = round(100 * share)
    return f"{MINUS if value < 0 else ''}{abs(value)}"


def share(part: int, whole: int) -> str:
    """Spell a share with its counts: ``"12.3 % (123 of 1,000)"``; an en dash if there is nothing to count."""
    return f"{percent(part / whole)} % ({part:,} of {whole:,})" if whole else NOTHING


def measurement(value: float, standard_error: float, *, signed: bool = False) -> str:
    """Spell a value with its standard error, rounded to two digits of the error: ``"+0.123 ± 0.045"``.

    Parameters
    ----------
    value, standard_error : float
        An error of zero or one that is not finite is left out.
    signed : bool
        Write a plus before positive values.
    """
    if not math.isfinite(value):
        return "overflow"
    if not math.isfinite(standard_error) or standard_error <= 0:
        return _number(value, _places(abs(value), 3), signed)
    places = _places(standard_error, 2)
    return f"{_number(value, places, signed)} ± {_number(standard_error, places, False)}"


def _places(size: float, digits: int) -> int:
    """Return after how many decimal places a number of this size has been rounded to these digits."""
    return digits - 1 - math.floor(math.log10(size)) if size > 0 else 0


def _number(value: float, places: int, signed: bool) -> str:
    rounded = round(value, places)
    sign = MINUS if rounded < 0 else "+" if signed else ""
    size = abs(rounded)
    if size >= 1e6:
        return f"{sign}{power_of_ten(size)}"
    if 0 < size < 1e-4:
        return f"{sign}{power_of_ten(size)}"
    return f"{sign}{size:,.{max(places, 0)}f}"


def power_of_ten(value: float) -> str:
    """Spell a positive number in two digits and a power of ten: ``"3.2e6"``."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def interval(value: float, low: float, high: float) -> str:
    """Spell a change with the ends of its interval, rounded to two digits of half its width: ``"+0.12 [0.03, 0.21]"``.

    Parameters
    ----------
    value, low, high : float
        Ends that are not finite, or equal, are left out.
    """
    if not math.isfinite(value):
        return "overflow"
    width = (high - low) / 2
    if not math.isfinite(width) or width <= 0:
        return _number(value, _places(abs(value), 3), True)
    places = _places(width, 2)
    return f"{_number(value, places, True)} [{_number(low, places, False)}, {_number(high, places, False)}]"


def count(number: int, name: str) -> str:
    """Spell a number of things: ``"1 document"``, ``"1,200 items"``."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def signed(value: float, places: int) -> str:
    """Spell a change with so many decimal places and its sign; ``"overflow"`` if it is no number."""
    return _number(value, places, True) if math.isfinite(value) else "overflow"


def number(value: float) -> str:
    """Spell a value in four digits, large ones in powers of ten."""
    return _number(value, _places(abs(value), 4), False) if math.isfinite(value) else "overflow"


def signed_number(value: float) -> str:
    """Spell a change in three digits with its sign, large ones in powers of ten."""
    return _number(value, _places(abs(value), 3), True) if math.isfinite(value) else "overflow"


def probability(p: float) -> str:
    """Spell a p-value: ``"p = 0.03"``, ``"p = 2e-5"``, ``"p < 1e-12"``."""
    spelled = p_value(p)
    return f"p {spelled}" if spelled.startswith("<") else f"p = {spelled}"


def p_value(p: float) -> str:
    """Spell a p-value without its name: ``"0.03"``, ``"2e-5"``, ``"< 1e-12"``; an en dash if there is none."""
    if math.isnan(p):
        return NOTHING
    if p < 1e-12:
        return "< 1e-12"
    if p < 0.001:
        mantissa, exponent = f"{p:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{p:.2g}"


def listing(words: Sequence[str], joint: str = "and") -> str:
    """Join words as a sentence does: ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def roles(names: Iterable[str]) -> str:
    """Spell a set of roles in their usual order: ``"query, key and up"``."""
    chosen = set(names)
    return listing([title.lower() for role, title in ROLE_TITLES.items() if role in chosen])


def role_label(names: Iterable[str]) -> str:
    """Label a group of roles in a table's head: ``"Query"``, ``"Up + Gate"``."""
    chosen = set(names)
    return " + ".join(title for role, title in ROLE_TITLES.items() if role in chosen)


def layer_label(layers: Iterable[int]) -> str:
    """Label a set of layers, runs shortened: ``"layer 3"``, ``"layers 0-5, 8"``."""
    ordered = sorted(set(layers))
    runs: list[list[int]] = []
    for layer in ordered:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    spelled = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"layer{'s' if len(ordered) > 1 else ''} {spelled}"
