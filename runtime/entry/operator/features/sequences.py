"""What operators ask of sequences: counters, their gaps, to set one, and to make a number void."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from runtime.features.operation import Operation
from runtime.features.sequences.items import Gap

if TYPE_CHECKING:
    from runtime.features.operation import OperationArguments
    from runtime.features.sequences.items import SequenceCounter
    from runtime.features.sequences.module import SequenceModule

__all__ = ["GAPS", "LIST", "SET", "SHOW", "VOID"]


def _listed(sequences: SequenceModule, arguments: OperationArguments) -> dict[str, Any]:
    page = sequences.list_sequences(
        arguments.optional_text("type"),
        tenant_code=arguments.text("tenant"),
        start_from_sk=arguments.optional_text("startFromSk"),
        limit=arguments.limit(),
    )
    return {"counters": [_counter(one) for one in page.items], "lastSk": page.last_sk}


def _shown(sequences: SequenceModule, arguments: OperationArguments) -> dict[str, Any]:
    counter = sequences.show_sequence(
        arguments.text("type"),
        bucket=arguments.optional_text("bucket"),
        tenant_code=arguments.text("tenant"),
        codes=arguments.names("codes") or [],
    )
    return {"counter": None if counter is None else _counter(counter)}


def _gaps(sequences: SequenceModule, arguments: OperationArguments) -> dict[str, Any]:
    found = sequences.gaps(
        arguments.text("type"),
        bucket=arguments.optional_text("bucket"),
        tenant_code=arguments.text("tenant"),
        codes=arguments.names("codes") or [],
    )
    after, limit = arguments.optional_number("after") or 0, arguments.limit()
    rest = [gap for gap in found if gap.first > after]
    return {"gaps": [asdict(gap) for gap in rest[:limit]], "hasMore": len(rest) > limit}


def _set(sequences: SequenceModule, arguments: OperationArguments) -> dict[str, Any]:
    no = arguments.json("no")
    counter = sequences.set_sequence(
        arguments.text("type"),
        no,
        bucket=arguments.optional_text("bucket"),
        tenant_code=arguments.text("tenant"),
        codes=arguments.names("codes") or [],
    )
    return {"counter": _counter(counter)}


def _void(sequences: SequenceModule, arguments: OperationArguments) -> dict[str, Any]:
    no, reason = arguments.json("no"), arguments.text("reason")
    sequences.void(
        arguments.text("type"),
        no,
        reason=reason,
        bucket=arguments.optional_text("bucket"),
        tenant_code=arguments.text("tenant"),
        codes=arguments.names("codes") or [],
    )
    return {"gap": asdict(Gap(no, no, reason))}


def _counter(counter: SequenceCounter) -> dict[str, Any]:
    return {
        "type": counter.type_code,
        "codes": [*counter.codes],
        "bucket": counter.bucket,
        "no": counter.no,
        "updatedAt": counter.updated_at,
    }


_OF_ONE: Final = ("tenant", "type", "bucket", "codes")
LIST = Operation(_listed, ("tenant", "type", "limit", "startFromSk"))
SHOW = Operation(_shown, _OF_ONE)
GAPS = Operation(_gaps, (*_OF_ONE, "limit", "after"))
SET = Operation(_set, (*_OF_ONE, "no"))
VOID = Operation(_void, (*_OF_ONE, "no", "reason"))
