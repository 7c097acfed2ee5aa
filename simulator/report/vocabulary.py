"""How measures and numbers are written: names, units, signs, rounding; alike in text, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Wording:
    """What a report says about a measure."""

    name: str
    label: str
    unit: str  # empty: a pure number
    bubble: int  # +1: a bubble pushes it up, -1: down, 0: neither
    description: str
    source: str

    @property
    def axis(self) -> str:
        told = not self.unit or self.unit.lower() in self.label.lower()
        return self.label if told else f"{self.label}, {self.unit}"


def wording(name: str) -> Wording:
    """The wording of a measure; one that a scenario brought along itself goes by its bare name."""
    from simulator.measures import DERIVED, MEASURES  # here, because it needs torch and not every caller does

    measure = MEASURES.get(name) or DERIVED.get(name)
    if measure is None:
        label = capital(name.replace(".", " ").replace("_", " "))
        return Wording(name, label, "", 0, "A measure of this scenario's own.", "")
    return Wording(name, measure.label, measure.unit, measure.bubble, measure.description, measure.source)


def table_order(names: Iterable[str]) -> list[str]:
    """Measures in the order of the table that defines them, a scenario's own at the end; each once."""
    from simulator.measures import DERIVED, MEASURES  # as above

    known = [*MEASURES, *DERIVED]
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def number(value: float, decimals: int | None = None) -> str:
    """A number with three significant digits, or with `decimals` places; a true minus sign; NaN is a dash."""
    if math.isnan(value):
        return "–"
    if decimals is None:
        decimals = _decimals(value, significant=3)
    text = f"{round(value, decimals):,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float, decimals: int | None = None) -> str:
    """As `number`, with the sign always written, except on zero."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def difference(mean: float, low: float, high: float) -> str:
    """A difference with its interval: −1.20 [−1.31, −1.09]; without bounds (NaN) the difference alone."""
    return NO_BREAK.join(filter(None, difference_parts(mean, low, high)))


def difference_parts(mean: float, low: float, high: float) -> tuple[str, str]:
    """A difference and its interval, rounded alike: two digits of the half width, at most three of the mean.

    Digits are added where rounding would make a bound zero that is not.
    """
    if math.isnan(low):
        return signed(mean), ""
    half = (high - low) / 2
    decimals = _decimals(mean, significant=3)
    if half > 0:
        coarser = _decimals(half, significant=2)
        decimals = coarser if mean == 0 else min(decimals, coarser)
    while (low > 0 or high < 0) and decimals < 6 and 0 in (round(low, decimals), round(high, decimals)):
        decimals += 1
    return signed(mean, decimals), f"[{number(low, decimals)},{NO_BREAK}{number(high, decimals)}]"


def unit(words: Wording) -> str:
    """The unit for an axis, which always has one."""
    return words.unit or "no unit"


def capital(text: str) -> str:
    """Text with a capital first letter, the others left as they are."""
    return text[:1].upper() + text[1:]


def lowered(label: str) -> str:
    """A label in the middle of a sentence: its first letter small, unless it begins with an abbreviation."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def listing(words: list[str], joined: str = "and") -> str:
    """a · a and b · a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joined} {words[-1]}"


def _decimals(value: float, significant: int) -> int:
    """Decimal places that show `significant` digits of `value`, from 0 to 6."""
    if value == 0 or not math.isfinite(value):
        return significant - 1
    return min(6, max(0, significant - 1 - math.floor(math.log10(abs(value)))))
