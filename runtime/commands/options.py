"""What every publish call takes beside what is published."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypedDict

from runtime.identity.context import require_invoke_context

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from contextlib import AbstractContextManager

    from runtime.identity.context import InvokeContext

__all__ = ["PublishOptions", "publish_id_of"]


class PublishOptions(TypedDict, total=False):
    """What every publish call takes beside what is published.

    Attributes:
        invoke_context: Who asks. Default: the HTTP request that is being handled.
        source: Code that publishes, see `get_command_source`.
        request_id: Id to correlate notifications with. Default: the request's own.
        publish_id: 1 to 255 characters. A publish to the same aggregate that is repeated under its
            id within a day returns what the first one stored, and writes nothing; a synchronous one
            goes on with handlers that the first call did not come to. Another call with the
            same id is refused.
        content: What tells the call from others under its publish id. Default: what is published,
            as far as the caller gave it; where the id is made of the request's ``Idempotency-Key``,
            the request as it was sent. Of what a function makes, nothing but that is known.
    """

    invoke_context: InvokeContext | None
    source: str | None
    request_id: str | None
    publish_id: str | None
    content: Mapping[str, Any] | None


def publish_id_of(place: Hashable, options: PublishOptions) -> AbstractContextManager[str | None]:
    """The publish id of a write, for as long as it takes: that of the options, else the request's next one.

    Args:
        place: What is written to: its command table, and its key.
        options: How it is published.
    """
    context = require_invoke_context(options.get("invoke_context"))
    if "publish_id" not in options:
        return context.publish_ids.taken(place, context.publish_id)
    given = options["publish_id"]
    if given is None or not context.is_own(given):
        return nullcontext(given)
    return context.publish_ids.taken(place, None, given)
