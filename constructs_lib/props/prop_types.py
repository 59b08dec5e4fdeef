"""Values of a wrong type, as a text where a list belongs, get an error that names the property.

A text is a sequence of letters to Python, a bare number a duration of no unit, and what is not empty is true:
without a look, such a value is taken for something else, or fails where nobody knows what it was for.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_types", "named"]

_LONGEST_VALUE: Final = 80
_TEXT: Final = (str, bytes, bytearray)
#: What is no object of the CDK, nor of this library; a dict may be one of the CDK's structs.
_PLAIN: Final = (str, bytes, bytearray, bool, int, float, complex, list, tuple, set, frozenset, range)
_ANYTHING: Final = frozenset({"Any", "object"})
#: They take the texts that are their values, and say which those are.
_CHOICES: Final = frozenset({"Processing", "WorkflowType"})


def check_types(annotations: Mapping[str, str], given: Mapping[str, object]) -> None:
    """Refuse what cannot be the value of a property.

    Of objects only those are refused that stand for a text, number or list: whether it is the right
    kind of construct is for the CDK, or the construct, to say.

    Args:
        annotations: The type of each property, as it is written in the code.
        given: What the user gave.

    Raises:
        InvalidPropsError: A value is none of its property's type.

    """
    for name, value in given.items():
        if (annotation := annotations.get(name)) is not None:
            _check(name, _parsed(annotation), value)


@cache
def _parsed(annotation: str) -> tuple[ast.expr, ...]:
    return _alternatives(ast.parse(annotation, mode="eval").body)


def _alternatives(node: ast.expr) -> tuple[ast.expr, ...]:
    """What stands between the bars of a union."""
    if isinstance(node, ast.BinOp):
        return (*_alternatives(node.left), *_alternatives(node.right))
    return (node,)


def _check(name: str, allowed: Sequence[ast.expr], value: object) -> None:
    fitting = [node for node in allowed if _fits(node, value)]
    if not fitting:
        kinds = " or ".join(_said(node) for node in allowed if _name(node) != "None")
        msg = f"{name} must be {kinds}, got {_shown(value)}{_hint([_name(node) for node in allowed], value)}"
        raise InvalidPropsError(msg)
    for node in fitting:
        for path, inner, member in _members(node, value):
            _check(f"{name}{path}", _alternatives(inner), member)


def _fits(node: ast.expr, value: object) -> bool:
    """Whether a value may be of a type, whatever is in it."""
    name = _name(node)
    if name in _ANYTHING:
        return True
    if name in _KINDS:
        return _KINDS[name](value)
    if name in _CHOICES:
        return isinstance(value, str)
    return value is not None and type(value) not in _PLAIN


def _members(node: ast.expr, value: object) -> list[tuple[str, ast.expr, object]]:
    """What is in a list or a mapping: where, of which type, and the value."""
    if not isinstance(node, ast.Subscript):
        return []
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if isinstance(value, Mapping) and _name(node) == "Mapping":
        return [
            *((" has a key that", inner[0], key) for key in value),
            *((f"[{key!r}]", inner[1], member) for key, member in value.items()),
        ]
    if isinstance(value, Sequence) and _name(node) in {"Sequence", "tuple"}:
        return [(f"[{number}]", inner[0], member) for number, member in enumerate(value)]
    return []


def _is_whole_number(value: object) -> bool:
    if isinstance(value, float):  # a number that is known at deployment is one, too
        return value.is_integer() or is_unresolved(value)
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: Final[dict[str, Callable[[object], bool]]] = {
    "None": lambda value: value is None,
    "str": lambda value: isinstance(value, str),
    "Path": lambda value: isinstance(value, Path),
    "bool": lambda value: isinstance(value, bool),
    "int": _is_whole_number,
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "Duration": lambda value: isinstance(value, Duration),
    "Sequence": lambda value: isinstance(value, Sequence) and not isinstance(value, _TEXT),
    "tuple": lambda value: isinstance(value, Sequence) and not isinstance(value, _TEXT),
    "Mapping": lambda value: isinstance(value, Mapping),
}
_SAID: Final = {
    "str": "a text",
    "Path": "a path",
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "Duration": "a Duration",
    "Sequence": "a list",
    "tuple": "a list",
    "Mapping": "a mapping",
}


def _said(node: ast.expr) -> str:
    name = _name(node)
    return _SAID.get(name) or named(name)


def named(name: str) -> str:
    """Give the name of a class with its article."""
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _hint(names: Sequence[str], value: object) -> str:
    if isinstance(value, int | float) and "Duration" in names:
        return f"; say of what: Duration.seconds({value}), Duration.minutes({value})"
    if isinstance(value, str) and not {"Sequence", "tuple"}.isdisjoint(names):
        return f"; write [{_shown(value)}]"
    if not isinstance(value, str | Mapping) and not {"Sequence", "tuple"}.isdisjoint(names):
        return "; write list(...) of what can be gone through, or [...] of one"
    return ""


def _shown(value: object) -> str:
    """A value, so that a person recognizes it: constructs by their path."""
    if value is None or type(value) in _PLAIN or isinstance(value, dict):
        text = repr(value)
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
    path = getattr(getattr(value, "node", None), "path", None)
    return str(path) if path else type(value).__name__


def _name(node: ast.expr) -> str:
    """The last part of a type's name, without what it is a type of."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Constant):
        return str(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "object")
