"""Whatever fails in a batch fails alone: each entry is delivered once, or named."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import BatchDeliveryError, CqrsError, OutcomeUnknownError, StoreRefusedError
from runtime.clients.sqs_batch import Batch
from tests.faults.scale import scaled

FAULTS = st.dictionaries(st.integers(0, 40), st.sampled_from(["entry", "call", "lost", "gone"]), max_size=6)


class Queue:
    """Refuses entries, or calls that have one of these entries in them."""

    def __init__(self, faults: dict[int, str]) -> None:
        self.faults = faults
        self.taken: Counter[int] = Counter()
        self.calls: list[list[dict[str, Any]]] = []

    def __call__(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.calls.append(entries)
        faults = {int(entry["Id"]): self.faults.get(int(entry["Id"])) for entry in entries}
        if "lost" in faults.values():
            raise OutcomeUnknownError("SQS", "timeout")  # noqa: EM101 - of ours
        for kind, code in (
            ("gone", "AWS.SimpleQueueService.NonExistentQueue"),
            ("call", "BatchRequestTooLong"),
        ):
            if kind in faults.values():
                cause = ClientError({"Error": {"Code": code}}, "SendMessageBatch")
                raise StoreRefusedError("SQS", code) from cause  # noqa: EM101
        good = [number for number, fault in faults.items() if fault is None]
        self.taken.update(good)
        bad = [number for number, fault in faults.items() if fault == "entry"]
        return {
            "Successful": [{"Id": str(number), "MessageId": f"m{number}"} for number in good],
            "Failed": [{"Id": str(number), "Code": "Refused"} for number in bad],
        }


@settings(max_examples=scaled(80, 300), deadline=None)
@given(sizes=st.lists(st.sampled_from([1, 1000, 400_000, 1_048_576, 1_048_577]), max_size=40), faults=FAULTS)
def test_every_entry_is_delivered_once_or_named(sizes: list[int], faults: dict[int, str]) -> None:
    queue, batch = Queue(faults), Batch("SendMessageBatch")
    for position, size in enumerate(sizes):
        batch.add(position, {"MessageBody": "x" * size})
    done: dict[int, Any] = {}
    failed: dict[int, str] = {}
    try:
        done = dict(batch.run(queue))
    except BatchDeliveryError as error:
        failed = error.failed
        done = dict.fromkeys(range(len(sizes))) | {}
        done = {number: None for number in done if number not in failed}
    except CqrsError:  # no call got through
        assert not queue.taken
        return
    assert all(count == 1 for count in queue.taken.values())
    assert set(done) == set(queue.taken)
    assert set(done) | set(failed) == set(range(len(sizes)))
    for entries in queue.calls:
        assert 1 <= len(entries) <= 10
        assert sum(len(entry["MessageBody"]) for entry in entries) <= 1_048_576
    if not {"lost", "gone"} & set(faults.values()):
        refused = {number for number, size in enumerate(sizes) if size > 1_048_576 or number in faults}
        assert set(failed) == refused
