"""What the codec writes, DynamoDB takes and gives back; what is too large for it, both know."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from runtime.errors import StoreRefusedError
from runtime.store.codec import opened_row, row_of
from runtime.store.item_size import MAX_ITEM_BYTES, item_size
from runtime.store.port import Put
from runtime.store.values import Place
from tests.support.everything import Everything, everything
from tests.support.service import DYNAMODB, PK, Service
from tests.support.values import attributes

if TYPE_CHECKING:
    from collections.abc import Callable

STORES = (DYNAMODB,)

# One table for all examples: each has a key of its own.
few_examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def typed(make_service: Callable[..., Service]) -> Service:
    return make_service(attributes=Everything)


def put(service: Service, values: dict[str, Any]) -> dict[str, Any]:
    """Write a row and read it back."""
    row = row_of({"pk": PK, "sk": uuid.uuid4().hex} | values)
    service.quiet.write(Put(table=service.tables.data, row=row))
    read = service.quiet.get(Place(service.tables.data, row["pk"], row["sk"]))
    assert read is not None
    return opened_row(read)


def deep(levels: int) -> Any:
    value: Any = "leaf"
    for level in range(levels):
        value = [value] if level % 2 else {"n": value}
    return value


@few_examples
@given(written=attributes)
@example(written={"deep": deep(30)})
@example(written={"n": [Decimal("1E-130"), -(10**125), Decimal("9." + "9" * 37 + "E+125"), 10**38 - 1]})
@example(written={"t": "\x00\u2028\U0001f600", "": "a key of no character", "sets": [{""}, {b""}, {0, -1}]})
def test_dynamodb_gives_back_what_was_written(service: Service, written: dict[str, Any]) -> None:
    assert put(service, {"attributes": written})["attributes"] == written


@few_examples
@given(model=everything)
def test_a_model_goes_through_publish_and_read_and_back(typed: Service, model: Everything) -> None:
    sk = uuid.uuid4().hex
    typed.publish_sync(sk, name="same", attributes=model)
    data = typed.module.data.get_item((PK, sk))
    assert data is not None
    assert data.attributes == model
    assert typed.publish_sync(sk, 1, name="same", attributes=data.attributes) is None
    change = {"pk": PK, "sk": sk, "version": 1, "attributes": {}}
    nothing = typed.module.commands.publish_partial_update_async(change, invoke_context=typed.user())
    assert nothing is None


@few_examples
@given(written=attributes)
def test_what_the_size_says_fits_fits(service: Service, written: dict[str, Any]) -> None:
    row = row_of({"pk": PK, "sk": "x" * 32, "attributes": written, "pad": ""})
    put(service, {"attributes": written, "pad": "x" * (MAX_ITEM_BYTES - item_size(row))})


@pytest.mark.parametrize("over", [0, 1])
def test_a_row_of_text_is_as_large_as_the_size_says(service: Service, over: int) -> None:
    """Only numbers are approximate: DynamoDB counts text, names and containers to the byte."""
    written = {"list": ["ä", {}, []], "map": {"k": None, "b": b"\x00", "yes": True}, "set": {"a", "ü"}}
    row = row_of({"pk": PK, "sk": "x" * 32, "attributes": written, "pad": ""})
    pad = "x" * (MAX_ITEM_BYTES - item_size(row) + over)
    if not over:
        put(service, {"attributes": written, "pad": pad})
        return
    with pytest.raises(StoreRefusedError, match="nothing was written") as refused:
        put(service, {"attributes": written, "pad": pad})
    assert "Item size has exceeded" in str(refused.value.__cause__)


@pytest.mark.parametrize("name_bytes", [380 * 1024, 392 * 1024])
def test_the_largest_row_that_is_accepted_gets_through_the_pipeline(
    service: Service, name_bytes: int
) -> None:
    """Data and history rows have columns that the command lacks; there has to be room for them."""
    limit = MAX_ITEM_BYTES - 8 * 1024
    row = service.publish(name="n", attributes=None)
    overhead = item_size(service.image(1))
    assert row is not None
    fits = min(name_bytes, limit - overhead)
    service.publish(version=1, name="n" * fits, attributes=None)
    service.publish(version=2, name="m" * fits, attributes=None)
    service.apply(3)
    assert (service.row("history", "A1@2") or {})["name"] == "n" * fits
