"""What Lambda gets to see of an error: its name and where it came from, without its text.

Lambda writes an error that leaves a function into the log, text and all, and hands it to
whoever asked: Step Functions keeps it in the history of the execution and gives it to the next
state, a failure destination passes it on. The text may quote what the code was working on,
as ``ValueError: no such customer: joe@example.com`` does, and as databases do.
"""

from __future__ import annotations

from typing import Final

from runtime.errors import ConfigurationError, PreviousVersionPending, UnknownTriggerError
from runtime.log import texts_are_shown

__all__ = ["hidden", "is_shown"]

#: Their texts are ours, and name parts of the deployment, never what is in a command.
_SHOWN: Final = (ConfigurationError, PreviousVersionPending, UnknownTriggerError)
_TEXT: Final = "the text is left out, since it may quote data; LOG_LEVEL=DEBUG shows it"


def is_shown(error: Exception) -> bool:
    """Whether an error may leave the function as it is; see `texts_are_shown`."""
    return isinstance(error, _SHOWN) or texts_are_shown()


def hidden(error: Exception) -> Exception:
    """An error of the same name and with the same stack, without the text, attributes and cause.

    The name is what state machines match on. It is of the same class, too, where that can be.
    """
    kind = type(error)
    own = {"__module__": kind.__module__, "__str__": lambda _self: _TEXT, "__repr__": lambda _self: _TEXT}
    made: Exception
    try:
        silent: type[Exception] = type(kind.__name__, (kind,), own)
        made = silent.__new__(silent)
    except Exception:  # noqa: BLE001 - a class may refuse to be inherited from in any way
        made = type(kind.__name__, (Exception,), own)()
    made.__suppress_context__ = True
    return made.with_traceback(error.__traceback__)
