"""YAML that says where its values stand, and that costs no more than its length: no aliases, not deep.

An alias (`*name`) stands for a whole part of the document; a few of them, nested, stand for gigabytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

__all__ = ["LARGEST_YAML_BYTES", "Located", "YamlProblem", "located_yaml"]

LARGEST_YAML_BYTES: Final = 100_000
_DEEPEST: Final = 12

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


class YamlProblem(Exception):  # noqa: N818 - a part of another module's message, never raised to a caller
    """What is wrong, and on which line, from 1."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Located:
    """A document's value, and the line of each of its parts, from 1."""

    value: object
    lines: Mapping[Path, int]
    repeated: tuple[Path, ...] = ()
    """Keys that their mapping has twice."""

    def line_of(self, *path: str | int) -> int | None:
        """The line of a part, or of the nearest part around it that there is."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def located_yaml(text: bytes) -> Located:
    """The document, safely: plain values only. Raises YamlProblem."""
    if len(text) > LARGEST_YAML_BYTES:
        raise YamlProblem(None, f"{len(text)} bytes; it may have {LARGEST_YAML_BYTES}")
    try:
        _require_plain(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        value = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlProblem(mark.line + 1 if mark else None, f"this is no YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlProblem(None, f"this is no YAML: {str(error).splitlines()[0]}") from error
    lines: dict[Path, int] = {}
    repeated: list[Path] = []
    for path, line in _nodes(root, ()):
        if path in lines:
            repeated.append(path)
        lines[path] = line
    return Located(value, lines, tuple(repeated))


def _require_plain(text: bytes) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlProblem(_line(event), "aliases (*name) are not allowed: write it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise YamlProblem(_line(event), f"this is nested more than {_DEEPEST} deep")


def _line(part: yaml.Event | yaml.Node) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def _nodes(node: object, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        if not path:
            yield path, _line(node)
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, _line(key)
            yield from _nodes(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield (*path, position), _line(value)
            yield from _nodes(value, (*path, position))
