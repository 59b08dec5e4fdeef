"""How a class of events or states is written as JSON and read again: by pydantic, with an error of ours."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from runtime.errors import ConfigurationError

__all__ = ["json_form"]


def json_form(kind: Any, what: str) -> TypeAdapter[Any]:  # noqa: ANN401 - a class, or a union of them
    """What writes and reads the values of a type.

    Args:
        kind: The type.
        what: What to call it in the message.

    Raises:
        ConfigurationError: It has no JSON form.
    """
    try:
        adapter = TypeAdapter[Any](kind)
        # An annotation that names nothing is only told of by what is then asked for.
        _ = adapter.validator.validate_json, adapter.serializer.to_json
        return adapter  # noqa: TRY300 - both are to be caught
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        msg = (
            f"{what} has a field, or is itself of a class, with no JSON form ({type(error).__name__}); use "
            "types that pydantic knows"
        )
        raise ConfigurationError(msg) from error
