"""YAML text to plain values, remembering where in the text each value stands; and back.

YAML is read by the rules of version 1.2: `1e-3` is a number, `no` is a word. Anchors and merge keys work. A
float without a fraction becomes an int: `count: 1e5` is a count; where a float is wanted, an int will do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.tokens import FlowMappingEndToken, FlowMappingStartToken, FlowSequenceEndToken, FlowSequenceStartToken

from simulator.faults import Fault, Loc, ScenarioError

STANDARD = "tag:yaml.org,2002:"
MOST_VALUES = 100_000  # anchors within anchors can make a small file endless
EXACT = 2**53  # up to here every whole float is one int and back


@dataclass(frozen=True)
class Source:
    """A YAML text, its values, and the character offsets of each key and value."""

    name: str
    text: str
    values: Any = None
    keys: dict[Loc, int] = field(default_factory=dict)
    places: dict[Loc, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()  # what is wrong with single entries; the values leave these out

    def fault(self, offset: int, message: str, key: str = "") -> Fault:
        """A fault at a character of the text."""
        offset = min(offset, len(self.text))
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", start)
        line, column = self.text.count("\n", 0, offset) + 1, offset - start + 1
        source = self.text[start:] if end < 0 else self.text[start:end]
        return Fault(f"{self.name}:{line}:{column}", message, key, line, column, source)


def read(path: str | Path) -> Source:
    """Read a YAML file. A file that cannot be read or is not YAML is a ScenarioError."""
    name = str(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise ScenarioError([Fault(name, "there is no such file")]) from None
    except IsADirectoryError:
        raise ScenarioError([Fault(name, "this is a directory; give a scenario file")]) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError([Fault(name, f"cannot be read: {reason}")]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        message = f"is not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        raise ScenarioError([Source(name, before).fault(len(before), message)]) from None
    return parse(text, name)


def parse(text: str, name: str) -> Source:
    """Parse YAML text. A fault of syntax is a ScenarioError; single bad entries are reported in `faults`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    source = Source(name, text)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise ScenarioError([_syntax_fault(source, error)]) from None
    except ReaderError as error:
        message = f"the character U+{error.character:04X} is not allowed here"
        raise ScenarioError([source.fault(text.index(chr(error.character)), message)]) from None
    except RecursionError:
        raise ScenarioError([source.fault(0, "is nested too deeply")]) from None
    except (YAMLError, ValueError, AssertionError) as error:
        raise ScenarioError([source.fault(0, f"is not YAML: {error}")]) from None
    if root is None:
        raise ScenarioError([source.fault(0, "the file is empty")])
    builder = _Builder(source)
    values = builder.value(root, ())
    return Source(name, text, values, builder.keys, builder.places, tuple(builder.faults))


def write(values: Any) -> str:
    """YAML text that `parse` reads as these values."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    yaml.width = 2**16
    yaml.Representer = _Representer
    text = io.StringIO()
    yaml.dump(values, text)
    return text.getvalue()


class _Representer(SafeRepresenter):
    """ruamel's, but for the old line break U+0085, which is lost between single quotes."""

    def represent_str(self, data: str) -> ScalarNode:
        return self.represent_scalar(f"{STANDARD}str", data, style='"' if "\x85" in data else None)


_Representer.add_representer(str, _Representer.represent_str)


class _Builder:
    """Turns YAML nodes into plain values and notes where each stood."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.constructor = YAML(typ="safe", pure=True).constructor
        self.keys: dict[Loc, int] = {}
        self.places: dict[Loc, int] = {}
        self.faults: list[Fault] = []
        self.visits = 0
        self.open: list[Node] = []  # the nodes that we are inside of

    def value(self, node: Node, loc: Loc) -> Any:
        self.places[loc] = node.start_mark.index
        if isinstance(node, ScalarNode):
            self.visit(node)
            return self.scalar(node)
        if str(node.tag) not in (f"{STANDARD}map", f"{STANDARD}seq"):
            self.fault(node, f"the tag {_tag(node)} has no meaning here")
        if isinstance(node, MappingNode):
            return self.mapping(node, loc)
        self.visit(node)
        self.open.append(node)
        values = [self.value(child, (*loc, place)) for place, child in enumerate(node.value)]
        self.open.pop()
        return values

    def scalar(self, node: ScalarNode) -> Any:
        tag = str(node.tag).removeprefix(STANDARD)
        if tag in ("str", "timestamp"):  # a scenario has no dates: one is a text like any other
            return node.value
        if tag not in ("int", "float", "bool", "null"):
            self.fault(node, f"the tag {_tag(node)} has no meaning here")
            return node.value
        try:
            value = self.constructor.construct_object(node)
        except (YAMLError, ValueError, LookupError):
            self.fault(node, f"{node.value[:40]!r} is not of the type {_tag(node)}")
            return node.value
        if not isinstance(value, float):
            return value
        return int(value) if value.is_integer() and abs(value) < EXACT else float(value)

    def mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, child, merged in self.entries(node):
            if not isinstance(key, ScalarNode):
                self.fault(key, "a key must be a word")
            elif key.value not in values:
                self.keys[(*loc, key.value)] = key.start_mark.index
                values[key.value] = self.value(child, (*loc, key.value))
                if child.start_mark.index == child.end_mark.index:  # nothing: it stands nowhere
                    self.places[(*loc, key.value)] = key.start_mark.index
            elif not merged:
                first = self.source.fault(self.keys[(*loc, key.value)], "").line
                self.fault(key, f"the key {key.value[:60]!r} is given twice (first in line {first})")
        return values

    def entries(self, node: MappingNode) -> Iterator[tuple[Node, Node, bool]]:
        """A mapping's keys and values, then those that its merge keys `<<` bring in (True)."""
        self.visit(node)
        self.open.append(node)
        bases: list[Node] = []
        for key, child in node.value:
            if str(key.tag) == f"{STANDARD}merge":
                bases += child.value if isinstance(child, SequenceNode) else [child]
            else:
                yield key, child, False
        for base in bases:
            if isinstance(base, MappingNode):
                yield from ((key, child, True) for key, child, _ in self.entries(base))
            else:
                self.fault(base, "`<<` must be followed by the alias of a mapping, or a list of these")
        self.open.pop()

    def visit(self, node: Node) -> None:
        """Refuse what has no end, or as good as none."""
        self.visits += 1
        if self.visits > MOST_VALUES:
            raise ScenarioError([self.source.fault(0, f"holds more than {MOST_VALUES} values")])
        if node in self.open:
            offset = node.start_mark.index
            raise ScenarioError([self.source.fault(offset, "this anchor stands inside itself")])

    def fault(self, node: Node, message: str) -> None:
        self.faults.append(self.source.fault(node.start_mark.index, message))


def _tag(node: Node) -> str:
    return str(node.tag).replace(STANDARD, "!!")


def _syntax_fault(source: Source, error: MarkedYAMLError) -> Fault:
    """ruamel's finding; the common ones with what to do about them."""
    problem = str(error.problem or error.context or error).splitlines()[0]
    if "end of stream" in problem and error.context_mark:
        return source.fault(error.context_mark.index, "what is opened here is never closed")
    mark = error.problem_mark or error.context_mark
    if "parsing a flow" in str(error.context) and (bracket := _left_open(source.text, mark.index)) is not None:
        opened, closing = source.text[bracket], _CLOSING[source.text[bracket]]
        if mark.index >= len(source.text.rstrip()):
            return source.fault(bracket, f"the {opened!r} opened here is never closed")
        if "\n" in source.text[bracket : mark.index]:
            line = source.fault(mark.index, "").line
            return source.fault(bracket, f"the {opened!r} opened here is not closed, or a ',' is missing before line {line}")
        return source.fault(mark.index, f"expected ',' or {closing!r}")
    words = next((words for finding, words in _WORDS.items() if finding in problem), problem)
    return source.fault(mark.index if mark else 0, words)


def _left_open(text: str, end: int) -> int | None:
    """Where the innermost bracket stands that is open at a character of a text; brackets in texts and comments do not count."""
    opened: list[int] = []
    for token in YAML(typ="safe", pure=True).scan(text):
        if token.start_mark.index >= end:
            break
        if isinstance(token, FlowSequenceStartToken | FlowMappingStartToken):
            opened.append(token.start_mark.index)
        elif isinstance(token, FlowSequenceEndToken | FlowMappingEndToken) and opened:
            opened.pop()
    return opened[-1] if opened else None


_CLOSING = {"[": "]", "{": "}"}


_WORDS = {
    "cannot start any token": "unexpected character; indent with spaces, not tabs, or put the text in quotes",
    "mapping values are not allowed here": "unexpected ':'; check the indentation, or put the text in quotes",
    "could not find expected ':'": "a key without its ':'; write `key: value`",
    "expected <block end>": "does not line up with what stands above; check the indentation",
    "expected the node content": "a value is missing here, or put the text in quotes",
    "expected a single document": "a second document; a scenario file holds one",
    "but found another document": "a second document; a scenario file holds one",
    "found undefined alias": "an alias without its anchor; `*name` repeats what is marked `&name`",
}
