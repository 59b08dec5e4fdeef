"""Filter patterns of a stream mapping, for attributes that a record does not have.

On AWS `{"dynamodb": {"NewImage": {"syncMode": {"S": [{"exists": false}]}}}}` matches a
record without `syncMode`: a leaf is absent when any node above it is. `exists` works on
leaf nodes only; on a node above, such as `{"syncMode": [{"exists": false}]}`, it does not
see the attribute and matches every record
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html,
"exists matching").

Stock gives up at the first node that is missing, so the first pattern matches no record
at all, and takes an inner node for a leaf, so the second one filters.
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc

from ..patching import replace

__all__ = ["apply"]


def apply() -> None:
    """Show the matcher a record in which every inner node of the pattern is there."""

    def matches(record: dict[str, Any], pattern: dict[str, Any]) -> Any:
        return stock(_completed(record, pattern), pattern)

    stock = replace(
        lambda_svc,
        "_match_esm_filter",
        matches,
        holding=("if not isinstance(rec_val, dict) or not _match_esm_filter(rec_val, pat):", '"exists" in p'),
    )


def _completed(record: dict[str, Any], pattern: dict[str, Any]) -> dict[str, Any]:
    completed = dict(record)
    for name, wanted in pattern.items():
        is_inner = isinstance(completed.get(name), dict)
        if isinstance(wanted, dict) and not is_inner:
            completed[name] = {}
        elif isinstance(wanted, list) and is_inner:
            del completed[name]
    return completed
