"""What may stand in the headers of an e-mail: one line each, and one recipient an address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from email.errors import HeaderParseError, InvalidHeaderDefect
from email.header import decode_header
from email.headerregistry import HeaderRegistry
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["check_header_fields", "filled_subject"]

#: Control characters, the separators of lines and paragraphs, halves of surrogate pairs. Some reader or
#: other takes each of the first three for the end of a line, and what follows for the next header.
_NO_PART_OF_A_LINE: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})
_ENCODED_WORD: Final = re.compile(r"=\?[^?\s]*\?[bq]\?[^?]*\?=", re.IGNORECASE)
_DECODINGS: Final = 5
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SEPARATORS: Final = re.compile(r"[,;()]")
_TYPE: Final = re.compile(r"(?!multipart/)[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;.*)?", re.ASCII | re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(r"\{\{\s*([^\s{}]+)\s*\}\}")
_HEADERS: Final = HeaderRegistry()


def check_header_fields(
    *,
    lines: Mapping[str, str],
    addresses: Mapping[str, Iterable[str]],
    types: Mapping[str, str] | None = None,
) -> None:
    """Refuse what would begin a header of the caller's own, or reach somebody whom nobody named.

    Args:
        lines: Fields with one line of text, such as the subject, by name.
        addresses: Fields with addresses, by name.
        types: Fields with MIME types, by name.

    Raises:
        InvalidInputError: A field is no such thing; the message names it.
    """
    problems = [FieldProblem(name, problem) for name, text in lines.items() if (problem := _of_line(text))]
    for name, given in addresses.items():
        problems += _of_addresses(name, given)
    for name, kind in (types or {}).items():
        if _of_line(kind) or not _TYPE.fullmatch(kind):
            problems.append(FieldProblem(name, "must be a MIME type such as application/pdf"))
    if problems:
        raise InvalidInputError(problems)


def filled_subject(template: str, data: Mapping[str, Any]) -> dict[str, str]:
    """The fields that the subject of a template is made of: itself, and what its names stand for."""
    found = {"subject": template}
    for name in sorted(set(_PLACEHOLDER.findall(template))):
        value: Any = data
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[f"data.{name}"] = str(value)
    return found


def _of_line(text: str) -> str | None:
    for _ in range(_DECODINGS):
        if any(unicodedata.category(character) in _NO_PART_OF_A_LINE for character in text):
            return "must be one line, without control characters and separators of lines"
        # What an encoded word stands for is read, too; releases of Python write it into the header.
        text, before = _ENCODED_WORD.sub(_decoded, text), text
        if text == before:
            return None
    return "must not be encoded more than once"


def _decoded(word: re.Match[str]) -> str:
    try:
        ((found, charset),) = decode_header(word[0])
        return found if isinstance(found, str) else found.decode(charset or "ascii", "replace")
    except (HeaderParseError, LookupError, ValueError):
        return "\0"  # nobody can say what a reader makes of it


def _of_addresses(name: str, given: Iterable[str]) -> Iterator[FieldProblem]:
    if isinstance(given, str):
        yield FieldProblem(name, "must be a list of addresses, got a text; put it into a list")
        return
    for index, address in enumerate(given):
        if problem := _of_line(address) or _of_address(address):
            yield FieldProblem(f"{name}[{index}]", problem)


def _of_address(address: str) -> str | None:
    one = "must be one address, such as ann@example.com or Ann <ann@example.com>; give each its own entry"
    if _SEPARATORS.search(_QUOTED.sub("", address)):
        return one
    try:
        header: Any = _HEADERS("To", address)
        found, groups = header.addresses, header.groups
    except (IndexError, ValueError):  # of Python's parser, where an address ends too early
        return one
    if len(found) != 1 or any(group.display_name for group in groups):
        return one
    is_broken = any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects)
    return one if is_broken or not found[0].username or not found[0].domain else None
