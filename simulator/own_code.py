"""A user's own class as a part: `kind: package.module:Class`, found, checked, and only if the user allows it."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from simulator.faults import did_you_mean

NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
"""What a kind looks like that is not a name of a table."""

OPTION = "--allow-code"


class OwnCodeError(ValueError):
    """The class cannot be had, or is not what it has to be; the message says why in one paragraph."""


def is_own(kind: str) -> bool:
    """Does a kind name a class of the user's?"""
    return re.fullmatch(NAME, kind) is not None


def name_of(part: type) -> str:
    """Return the kind under which a class is found again."""
    return f"{part.__module__}:{part.__qualname__}"


def make_importable(folders: Sequence[Path]) -> None:
    """Let modules in these folders be imported, here and in the processes that are started from now on.

    They come last: a file called like a module of this project, or of another package, must not take its place.
    """
    sys.path += [place for place in map(str, (folder.resolve() for folder in folders)) if place not in sys.path]
    importlib.invalidate_caches()


def load_class(kind: str, base: type, what: str) -> type:
    """Import the class that `kind` names and see that it can be configured and used as a `what`, which `base` describes."""
    module_name, _, name = kind.partition(":")
    module = _import(module_name)
    where = f"{module_name} ({getattr(module, '__file__', None) or 'no file'})"
    if not hasattr(module, name):
        classes = [each for each, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name]
        raise OwnCodeError(f"the module {where} has no class {name!r}{did_you_mean(name, classes)}")
    part = getattr(module, name)
    if not inspect.isclass(part):
        raise OwnCodeError(f"{name!r} in the module {where} is a {type(part).__name__}, and must be a class")
    for lack in (_lacks_keys(part), _lacks_use(part, base)):
        if lack:
            raise OwnCodeError(f"the class {name} in {where} cannot be a {what}: {lack}")
    return part


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise OwnCodeError(
                f"there is no module {error.name!r} in the folder of the scenario file, in the current folder ({Path.cwd()}), "
                "or among the installed packages"
            ) from None
        raise OwnCodeError(_failed(name, error)) from None
    except (Exception, SystemExit) as error:        # whatever a module does when it is imported
        raise OwnCodeError(_failed(name, error)) from None


def _failed(name: str, error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"the module {name!r} cannot be imported: {type(error).__name__}: {said} ({place[0]}:{place[1]})"


def _lacks_keys(part: type) -> str:
    """Say what keeps the fields of a class from being keys of a scenario; "" if nothing does."""
    if not (is_dataclass(part) and "__dataclass_fields__" in vars(part)):
        return "it must be a dataclass; write @dataclass above it"
    inherited = {name for base in part.__mro__[1:] for name in vars(base)}
    for name, value in vars(part).items():
        if name.startswith("_") or name in inherited or name in inspect.get_annotations(part):
            continue
        if not (callable(value) or hasattr(value, "__get__")):
            return (
                f"{name} = {value!r} has no type; write {name}: {type(value).__name__} = {value!r} if it is a key, or "
                f"{name}: ClassVar = {value!r} if it is not"
            )
    return ""


def _lacks_use(part: type, base: type) -> str:
    """Say what a class lacks of what it is to be used as; "" if nothing."""
    if getattr(base, "_is_protocol", False):
        members = [*inspect.get_annotations(base), *(name for name in vars(base) if not name.startswith("_"))]
        own = {*dir(part), *(field.name for field in fields(part))}
        missing = [name for name in members if name not in own]
    elif not issubclass(part, base):
        return f"it must inherit from {name_of(base)}"
    else:
        missing = sorted(getattr(part, "__abstractmethods__", ()))
    return f"it has no {' and no '.join(missing)}" if missing else ""


def permission(kind: str, part: Any) -> str:
    """Say that a part needs the user's leave, and why; "" if it does not. `part`: its class, if it is one of the tables."""
    if part is None:
        return f"{kind!r} is code of your own, which a scenario runs only if you allow it: add {OPTION}"
    if getattr(part, "runs_code", False):
        return f"{kind!r} starts a program, which a scenario does only if you allow it: read its `command`, then add {OPTION}"
    if getattr(part, "asks_server", False):
        return (
            f"{kind!r} sends questions and a key to a server, which a scenario does only if you allow it: read its `base_url` "
            f"and `key_env`, then add {OPTION}"
        )
    return ""
