"""YAML as plain data, bounded: no tags that make objects, no alias bombs, no deep nesting, no key twice.

Values are those of PyYAML's safe loader, except that dates stay the text that was written.
"""

from __future__ import annotations

from typing import Any

import yaml

from app.web.problems import BadRequest, Invalid

BYTES_MOST = 512_000
EVENTS_MOST = 40_000
DEPTH_MOST = 24
EXPANDED_MOST = 20_000  # nodes once every alias is followed

PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG = "tag:yaml.org,2002:"
PLAIN = frozenset(TAG + t for t in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value"))


def load_documents(data: bytes) -> list[Any]:
    """The documents that are not empty. Raises BadRequest for what is not YAML, Invalid for what is not taken."""
    if len(data) > BYTES_MOST:
        raise Invalid.field("", f"The file is larger than {BYTES_MOST:,} bytes.")
    try:
        text = data.decode("utf-8-sig")
        _bound(text)
        nodes = [node for node in yaml.compose_all(text, Loader=PARSER) if node.tag != TAG + "null"]
        for node in nodes:
            _Check().visit(node, "")
        return [_Plain().construct_document(node) for node in nodes]
    except UnicodeDecodeError:
        raise BadRequest("The file is not UTF-8.") from None
    except (yaml.YAMLError, ValueError) as wrong:
        raise BadRequest(f"The file is not YAML that can be read: {_sentence(wrong)}.") from None


def _sentence(wrong: Exception) -> str:
    mark = getattr(wrong, "problem_mark", None)
    problem = getattr(wrong, "problem", None) or str(wrong).partition("\n")[0]
    return f"{problem[:200]}{f', on line {mark.line + 1}' if mark else ''}"


def _bound(text: str) -> None:
    """Read the events before any tree is built: libyaml's composer recurses without a limit of its own."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=PARSER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MOST:
            raise Invalid.field("", f"The file nests more than {DEPTH_MOST} levels deep.")
        if count > EVENTS_MOST:
            raise Invalid.field("", "The file has too many parts.")


class _Check:
    """Walks the tree once, each aliased node once; a node's size and height count every alias as a copy."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def visit(self, node: yaml.Node, path: str) -> tuple[int, int]:
        if known := self._known.get(id(node)):
            return known
        if id(node) in self._open:
            raise Invalid.field(path, "This contains itself.")
        if node.tag not in PLAIN:
            raise Invalid.field(
                path, f"The tag {node.tag.removeprefix(TAG)[:60]!r} is not taken: only plain values are."
            )
        self._open.add(id(node))
        sizes = [self.visit(inner, at) for inner, at in _inside(node, path)]
        size = 1 + sum(size for size, _ in sizes)
        height = 1 + max((height for _, height in sizes), default=0)
        if size > EXPANDED_MOST or height > DEPTH_MOST:
            raise Invalid.field(path, "Its aliases make this too large.")
        self._open.discard(id(node))
        self._known[id(node)] = (size, height)
        return size, height


def _inside(node: yaml.Node, path: str) -> list[tuple[yaml.Node, str]]:
    if isinstance(node, yaml.SequenceNode):
        return [(inner, _join(path, str(i))) for i, inner in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return []
    lines: dict[object, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Invalid.field(path, f"The name on line {key.start_mark.line + 1} is not plain text.")
        at = _join(path, key.value)
        if (key.tag, key.value) in lines:
            first, second = lines[key.tag, key.value], key.start_mark.line + 1
            raise Invalid.field(at, f"This stands twice, on line {first} and on line {second}: keep one.")
        lines[key.tag, key.value] = key.start_mark.line + 1
    pairs = [((key, _join(path, key.value)), (value, _join(path, key.value))) for key, value in node.value]
    return [part for pair in pairs for part in pair]


def _join(path: str, name: str) -> str:
    return f"{path}.{name[:100]}" if path else name[:100]


_MADE = yaml.constructor.SafeConstructor.yaml_constructors


class _Plain(yaml.constructor.SafeConstructor):
    yaml_constructors = {**_MADE, TAG + "timestamp": _MADE[TAG + "str"], TAG + "value": _MADE[TAG + "str"]}  # noqa: RUF012
