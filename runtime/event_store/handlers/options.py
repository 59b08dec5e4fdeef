"""How a handler goes about its events."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import ConfigurationError

__all__ = ["HandlerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerOptions:
    """How a handler goes about its events; `Domain.create_handler` says what each of them does.

    Raises:
        ConfigurationError: ``attempts`` is no number, or below 1; or what is to be True or False is neither.
    """

    tail_stream: bool = False
    always_tail_stream: bool = False
    continue_on_error: bool = False
    attempts: int = 10
    exclusive: bool = False
    reaction: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not be counted."""
        if not isinstance(self.attempts, int) or isinstance(self.attempts, bool) or self.attempts < 1:
            msg = f"attempts must be a number of tries, 1 or more, got {self.attempts!r}"
            raise ConfigurationError(msg)
        for name in ("tail_stream", "always_tail_stream", "continue_on_error", "exclusive", "reaction"):
            if not isinstance(given := getattr(self, name), bool):
                msg = f"{name} must be True or False, got {given!r}"
                raise ConfigurationError(msg)
