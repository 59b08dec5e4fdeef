"""What Lambda calls: a module of the code, and the name in it."""

from __future__ import annotations

from typing import Final

from constructs_lib.props.checks import check_length, check_pattern

__all__ = ["LONGEST_HANDLER", "check_handler", "files_of_handler"]

LONGEST_HANDLER: Final = 128
_HANDLER: Final = r"[A-Za-z_]\w*([./][A-Za-z_]\w*)*\.[A-Za-z_]\w*"


def check_handler(name: str, value: str) -> None:
    """Refuse what names no object in a module, and what is longer than Lambda allows.

    Raises:
        InvalidPropsError: See above.

    """
    check_pattern(name, value, _HANDLER, hint="write the module and the name in it, such as 'main.app'")
    hint = "import the app in a module with a shorter path, such as 'main.app'"
    check_length(name, value, LONGEST_HANDLER, hint=hint)


def files_of_handler(handler: str) -> tuple[str, str]:
    """Give the two files that the module of ``handler`` may be: a module, or a package."""
    module = handler.rpartition(".")[0].replace(".", "/")
    return f"{module}.py", f"{module}/__init__.py"
