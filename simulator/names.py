"""Names that a caller gives, and what to say of one that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from simulator.faults import did_you_mean, shown


class NoSuchName(KeyError):
    """There is nothing of this name. The message says what there is, and what was probably meant."""

    def __str__(self) -> str:
        return str(self.args[0])        # KeyError would put it in quotation marks


def known(what: str, name: str, names: Iterable[str]) -> str:
    """Return the name if it is one of `names`, else raise `NoSuchName`."""
    names = list(names)
    if name not in names:
        raise NoSuchName(f"there is no {what} {shown(name)}{did_you_mean(str(name), names)}")
    return name


def chosen(what: str, asked: str | Sequence[str] | None, names: Sequence[str]) -> list[str]:
    """Return those of `names` that are asked for, in the order of asking, each once. `*` stands for anything; None: all."""
    if asked is None:
        return list(names)
    found: dict[str, None] = {}
    for name in [asked] if isinstance(asked, str) else asked:
        matching = [each for each in names if fnmatchcase(each, name)] if isinstance(name, str) and "*" in name else []
        found.update(dict.fromkeys(matching or [known(what, name, names)]))
    return list(found)
