"""Many messages of a queue in calls of at most ten, where what fails fails alone and is named."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from runtime.aws_errors import error_code
from runtime.errors import BatchDeliveryError, OutcomeUnknownError, StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.errors import CqrsError

__all__ = ["Batch", "Entry"]

Entry = dict[str, Any]
"""One entry of a call, as boto3 wants it."""

_MOST_ENTRIES: Final = 10
#: Of one message with its attributes, and of all messages of a call together.
_MOST_BYTES: Final = 1024 * 1024
#: Calls in a row without an answer after which the queue counts as out of reach.
_MOST_LOST: Final = 2
#: What SQS says where no other message would fare better.
_OF_THE_QUEUE: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAddress",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NonExistentQueue",
        "OptInRequired",
        "QueueDeletedRecently",
        "QueueDoesNotExist",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "UnsupportedOperation",
    }
)


class Batch:
    """The entries of a request, and what became of them.

    Args:
        operation: Name of the operation, for errors.
        ordered: Whether the messages of a group must stay in order: those of a FIFO queue.
    """

    def __init__(self, operation: str, *, ordered: bool = False) -> None:
        self._operation = operation
        self._ordered = ordered
        self._waiting: deque[list[Entry]] = deque()
        self._last: list[Entry] = []
        self._bytes = 0
        self._done: dict[int, Mapping[str, Any]] = {}
        self._refused: dict[int, str] = {}
        self._lost: dict[int, str] = {}
        self._losses: list[CqrsError] = []
        self._lost_groups: dict[str, int] = {}

    def add(self, position: int, request: Mapping[str, Any]) -> None:
        """Take an entry on; one that no queue takes is refused here."""
        entry = {"Id": str(position), **request}
        size = _size(entry)
        if size > _MOST_BYTES:
            self.refuse(position, f"has {size} bytes; {_MOST_BYTES} is the most that a queue takes")
            return
        if not self._last or len(self._last) == _MOST_ENTRIES or self._bytes + size > _MOST_BYTES:
            self._last, self._bytes = [], 0
            self._waiting.append(self._last)
        self._last.append(entry)
        self._bytes += size

    def refuse(self, position: int, reason: str) -> None:
        """Note that an entry can never be delivered as it is."""
        self._refused[position] = reason

    def run(self, call: Callable[[list[Entry]], Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
        """Deliver the entries; what SQS says of each, by its position.

        Args:
            call: Makes one call.

        Raises:
            BatchDeliveryError: Some were not delivered.
            CqrsError: No call got through.
        """
        in_a_row = 0
        while self._waiting:
            entries = [entry for entry in self._waiting.popleft() if not self._is_behind(entry)]
            try:
                answer = call(entries) if entries else {}
            except StoreRefusedError as error:
                self._take_refusal(entries, error)
            except (StoreUnavailableError, OutcomeUnknownError) as error:
                self._lose(entries, error)
                in_a_row += 1
                if in_a_row == _MOST_LOST:
                    self._give_up(f"not tried, since the calls before failed: {error}")
            else:
                in_a_row = 0
                self._take(answer)
        if self._losses and not self._done and not self._refused:
            raise self._losses[0]
        if failed := self._refused | self._lost:
            raise BatchDeliveryError(self._operation, dict(sorted(failed.items())))
        return self._done

    def _is_behind(self, entry: Entry) -> bool:
        """Whether an earlier message of its group got lost; it is not sent either then."""
        first = self._lost_groups.get(entry.get("MessageGroupId", ""))
        if first is None:
            return False
        self._lost[int(entry["Id"])] = f"not sent, to stay behind entry {first} of its group"
        return True

    def _take(self, answer: Mapping[str, Any]) -> None:
        for done in answer.get("Successful", ()):
            self._done[int(done["Id"])] = done
        for failed in answer.get("Failed", ()):
            self.refuse(int(failed["Id"]), f"{failed['Code']} {failed.get('Message', '')}".strip())

    def _take_refusal(self, entries: list[Entry], error: StoreRefusedError) -> None:
        if _is_of_the_queue(error):
            self._lose(entries, error)
            self._give_up(str(error))
        elif len(entries) == 1:
            self.refuse(int(entries[0]["Id"]), f"refused: {_kind(error)}")
        else:  # which of them it was, SQS does not say
            self._waiting.extendleft([entry] for entry in reversed(entries))

    def _lose(self, entries: list[Entry], error: CqrsError) -> None:
        self._losses.append(error)
        for entry in entries:
            self._lost[int(entry["Id"])] = str(error)
            if self._ordered and "MessageGroupId" in entry:
                self._lost_groups.setdefault(entry["MessageGroupId"], int(entry["Id"]))

    def _give_up(self, reason: str) -> None:
        for entries in self._waiting:
            self._lost |= dict.fromkeys((int(entry["Id"]) for entry in entries), reason)
        self._waiting.clear()


def _size(entry: Entry) -> int:
    attributes = (
        name + attribute["DataType"] + attribute["StringValue"]
        for name, attribute in entry.get("MessageAttributes", {}).items()
    )
    texts = (entry.get("MessageBody", ""), *attributes)
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)  # for SQS to refuse


def _is_of_the_queue(error: StoreRefusedError) -> bool:
    """Whether a call was refused for what no other message can help."""
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return not isinstance(cause, ParamValidationError)
    code = _code(cause)
    return code in _OF_THE_QUEUE or code.lower().startswith("kms")


def _kind(error: StoreRefusedError) -> str:
    cause = error.__cause__
    return (_code(cause) if cause else "") or type(cause).__name__


def _code(error: BaseException) -> str:
    """The code without the namespace that some of SQS's have."""
    return error_code(error).replace("#", ".").rpartition(".")[2]
