"""The arguments of an operation, checked before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import MAX_VERSION
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.module import CommandModule

__all__ = ["OPERATION", "PAGING", "Arguments"]

OPERATION: Final = "operation"
PAGING: Final = ("segment", "totalSegments", "resumeToken", "limit")
_PAGE: Final = 100
_MAX_PAGE: Final = 1000


class Arguments:
    """What a request says beside the name of its operation.

    Args:
        event: The request, as Lambda delivers it. An argument that is null counts as left out.
        known: Names of the arguments that the operation has.

    Raises:
        InvalidInputError: The request has another argument: a mistyped ``dryRun`` must not write.
    """

    def __init__(self, event: Mapping[str, Any], known: tuple[str, ...]) -> None:
        names = set(event) - {OPERATION}
        if unknown := sorted(names - set(known)):
            arguments = ", ".join(known) or "none"
            message = f"is no argument of {event[OPERATION]}; its arguments are {arguments}"
            raise InvalidInputError([FieldProblem(name, message) for name in unknown])
        self._values = {name: event[name] for name in names if event[name] is not None}

    def module(self, modules: Mapping[str, CommandModule[Any]]) -> CommandModule[Any]:
        """The module that ``module`` names.

        Raises:
            InvalidInputError: The app has no such module.
        """
        name = self.text("module")
        if name not in modules:
            _refuse("module", f"must be one of {', '.join(sorted(modules))}, got {name!r}")
        return modules[name]

    def key(self) -> tuple[str, str]:
        """``pk`` and ``sk``: the key of an aggregate."""
        return self.text("pk"), self.text("sk")

    def text(self, name: str) -> str:
        """A text that is needed."""
        value = self.optional_text(name)
        if value is None:
            _refuse(name, "must be a text, got nothing")
        return str(value)

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is left out."""
        value = self._values.get(name)
        if value is not None and not (isinstance(value, str) and value):
            _refuse(name, f"must be a text, got {_shown(value)}")
        return value

    def names(self, name: str) -> list[str] | None:
        """A list of texts, or None where it is left out."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
            _refuse(name, f"must be a list of names; leave it out for all of them, got {_shown(value)}")
        return list(value)

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds, 0 or more."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**9:
            _refuse(name, f"must be a number of seconds, 0 or more, got {_shown(value)}")
        return float(value)

    def flag(self, name: str) -> bool:
        """A flag; false where it is left out."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            _refuse(name, f"must be true or false, got {_shown(value)}")
        return bool(value)

    def json(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        """Any value, as it was sent; None where it is left out."""
        return self._values.get(name)

    def limit(self) -> int:
        """``limit``: how many entries a page may have."""
        value = self._values.get("limit", _PAGE)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_PAGE:
            _refuse("limit", f"must be 1 to {_MAX_PAGE}, got {_shown(value)}")
        return int(value)

    def version(self, name: str, *, default: int | None = None) -> int:
        """A version: a number from 0, or from 1 where it is needed."""
        value = self._values.get(name, default)
        least = 1 if default is None else 0
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_VERSION:
            _refuse(name, f"must be {least} to {MAX_VERSION}, got {_shown(value)}")
        return value

    def optional_number(self, name: str) -> int | None:
        """A number from 1, or None where it is left out."""
        return None if self._values.get(name) is None else self.version(name)

    def scan(self) -> Scan:
        """The page of a table that the arguments of paging ask for."""
        return self._page(self.optional_text("resumeToken"))

    def segment(self) -> Scan:
        """The same of what has resume tokens of its own: the segment, and how much a page may have."""
        return self._page(None)

    def _page(self, token: str | None) -> Scan:
        return Scan.checked(
            segment=self._values.get("segment", 0),
            total_segments=self._values.get("totalSegments", 1),
            resume_from=token,
            limit=self.limit(),
        )


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidInputError([FieldProblem(name, message)])


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:100]
