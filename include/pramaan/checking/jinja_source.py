"""What can be said of a template's HTML files before they are run: syntax, names, and what is not guarded."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from pramaan.checking.findings import Finding, error, warning
from pramaan.rendering.fields import DERIVED_TEXTS

__all__ = ["jinja_findings"]

_GIVEN: Final = frozenset({"direction", "language", "signature_url", "text"})
"""What a template can use beside its fields and what follows from them."""

_OPTIONAL: Final = frozenset({"signature_url"})


def jinja_findings(
    files: Mapping[str, str], *, fields: Mapping[str, bool], texts: Mapping[str, int | None]
) -> Iterator[Finding]:
    """What is wrong in the HTML files, by file and line.

    `fields` says of each field whether it is optional; `texts` are the names of the fixed texts,
    each with its line in template.yml.
    """
    environment = SandboxedEnvironment(autoescape=True)
    names = _Names(
        known=({*fields, *DERIVED_TEXTS} - {"completed_at"}) | _GIVEN,
        optional=_OPTIONAL | {name for name, is_optional in fields.items() if is_optional},
        texts=texts.keys(),
    )
    trees: dict[str, nodes.Template] = {}
    for file, source in files.items():
        try:
            # Compiled as well: only then it is known that a filter is not there.
            trees[file] = environment.parse(source)
            environment.compile(source, file, raw=True)
        except jinja2.TemplateSyntaxError as wrong:
            yield error(str(wrong.message), file, wrong.lineno)
        except RecursionError:
            yield error("expressions are nested too deep", file)
    for file, tree in trees.items():
        elsewhere = {name for other in trees.values() if other is not tree for name in _assigned(other)}
        yield from _unknown(tree, file, names, known=names.known | elsewhere)
        yield from _unguarded(tree.body, file, names, guarded=frozenset())
        yield from _fixed_texts(tree, file, names)
    if len(trees) == len(files) and not names.any_text:
        for name in sorted(texts.keys() - names.used_texts):
            yield warning(f"texts.{name} is printed nowhere", "template.yml", texts[name])


@dataclass(slots=True)
class _Names:
    known: Set[str]
    optional: Set[str]
    texts: Set[str]
    used_texts: set[str] = field(default_factory=set)
    any_text: bool = False
    """Whether a text is looked up by a name that only running the template would tell."""


def _assigned(tree: nodes.Template) -> Iterator[str]:
    return (name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")


def _unknown(tree: nodes.Template, file: str, names: _Names, *, known: Set[str]) -> Iterator[Finding]:
    undeclared = meta.find_undeclared_variables(tree) - known
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in undeclared:
            if name.name == "completed_at":
                advice = "print completed_month"
            else:
                advice = f"there are: {', '.join(sorted(names.known))}"
            yield error(f"{{{{ {name.name} }}}}: there is no such value; {advice}", file, name.lineno)


def _fixed_texts(tree: nodes.Template, file: str, names: _Names) -> Iterator[Finding]:
    held = 0
    for use in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(use, nodes.Getattr | nodes.Getitem):
            continue
        if not isinstance(use.node, nodes.Name) or use.node.name != "text":
            continue
        if isinstance(use, nodes.Getattr):
            name = use.attr
        elif isinstance(use.arg, nodes.Const):
            name = str(use.arg.value)
        else:
            continue
        held += 1
        names.used_texts.add(name)
        if name not in names.texts:
            yield error(f"text.{name}: template.yml has no such text", file, use.lineno)
    mentioned = sum(name.name == "text" for name in tree.find_all(nodes.Name))
    names.any_text = names.any_text or mentioned > held


def _unguarded(
    body: Iterable[nodes.Node], file: str, names: _Names, *, guarded: frozenset[str]
) -> Iterator[Finding]:
    """Optional values that are printed where they may be absent."""
    for node in body:
        if isinstance(node, nodes.If | nodes.CondExpr):
            yield from _branches(node, file, names, guarded=guarded)
        elif isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.Name) and part.name in names.optional - guarded:
                    yield error(
                        f"{{{{ {part.name} }}}} may be absent: it must stand within {{% if {part.name} %}}",
                        file,
                        part.lineno,
                    )
                else:
                    yield from _unguarded([part], file, names, guarded=guarded)
        else:
            yield from _unguarded(node.iter_child_nodes(), file, names, guarded=guarded)


def _branches(
    node: nodes.If | nodes.CondExpr, file: str, names: _Names, *, guarded: frozenset[str]
) -> Iterator[Finding]:
    there, absent = _implied(node.test)
    if isinstance(node, nodes.CondExpr):
        yield from _unguarded([nodes.Output([node.expr1])], file, names, guarded=guarded | there)
        if node.expr2 is not None:
            yield from _unguarded([nodes.Output([node.expr2])], file, names, guarded=guarded | absent)
        return
    yield from _unguarded(node.body, file, names, guarded=guarded | there)
    yield from _unguarded([*node.elif_, *node.else_], file, names, guarded=guarded | absent)


def _implied(test: nodes.Node) -> tuple[frozenset[str], frozenset[str]]:
    """The names that are there when a test holds, and those that are there when it does not."""
    nothing: frozenset[str] = frozenset()
    if isinstance(test, nodes.Name):
        return frozenset({test.name}), nothing
    if isinstance(test, nodes.Not):
        there, absent = _implied(test.node)
        return absent, there
    if isinstance(test, nodes.And | nodes.Or):
        left, right = _implied(test.left), _implied(test.right)
        if isinstance(test, nodes.And):
            return left[0] | right[0], left[1] & right[1]
        return left[0] & right[0], left[1] | right[1]
    return nothing, nothing
