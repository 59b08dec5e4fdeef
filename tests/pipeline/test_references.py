"""What a user writes never leads to another object of the attributes bucket, whatever it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, model_serializer, model_validator

from runtime import CommandModule, InvalidInputError, collect_large_attributes, erase
from runtime.model.keys import DetailKey
from runtime.store.bucket import object_prefix
from tests.faults.scale import scaled
from tests.pipeline.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "TOP SECRET " * 20_000
VICTIM, EVE = DetailKey("TODO#victim", "A1"), DetailKey("TODO#acme", "E1")
TABLE = "local-lab-todo-command"


class Page(RootModel[str]):
    """A text as the root of a model."""


class Markdown(BaseModel):
    """A model that is stored as a text."""

    text: str

    @model_serializer
    def as_text(self) -> str:
        return self.text

    @model_validator(mode="before")
    @classmethod
    def of_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value


TEXT_TYPES = {
    "str": str,
    "root model": Page,
    "serializer": Markdown,
    "union": dict[str, Any] | str,
    "any": Any,
}


class Texts:
    """A module whose attributes are a text, in which a victim has one that is in the bucket."""

    def __init__(self, kind: Any = str) -> None:
        self.lab = Lab()
        self.module: CommandModule[Any] = CommandModule("todo", attributes=kind, resources=self.lab.resources)
        self.publish(VICTIM, SECRET, tenant="victim")

    def publish(self, key: DetailKey, text: str, *, tenant: str = "acme", version: int = 0) -> Any:
        command = self.lab.command(version) | {"pk": key.pk, "sk": key.sk, "attributes": text}
        user = self.lab.user(**{"custom:tenant": tenant})
        return self.module.commands.publish_sync(command, invoke_context=user)

    def read(self, key: DetailKey, tenant: str = "acme") -> Any:
        user = self.lab.user(**{"custom:tenant": tenant})
        found = self.module.data.get_item(key, invoke_context=user)
        assert found is not None
        return stored(found.attributes)

    def reference(self, key: DetailKey) -> str:
        row = self.lab.store.get(self.module.context.data_place(key))
        return str(row["attributes"])  # type: ignore[index]


def stored(attributes: Any) -> Any:
    return attributes.model_dump() if isinstance(attributes, BaseModel) else attributes


@pytest.fixture(params=TEXT_TYPES)
def texts(request: pytest.FixtureRequest) -> Iterator[Texts]:
    found = Texts(TEXT_TYPES[request.param])
    yield found
    found.lab.clock.stop()


def foreign(texts: Texts) -> list[str]:
    """Texts that look like references to objects that are not the writer's."""
    own = texts.reference(VICTIM)
    pk, sk = EVE
    return [
        own,
        own.replace("attributes/", "elsewhere/", 1),
        "s3://x/none",
        "s3://",
        "s3://attributes/",
        "s3://attributes/backup/all.json",
        f"s3://attributes/{object_prefix(TABLE, pk, 'E2')}x.json",
        f"s3://attributes/ddb/{TABLE}/{VICTIM[0]}/{VICTIM[1]}@1/01.json",
        f"s3://attributes/ddb/{TABLE}/{pk}/{sk}/../{VICTIM[1]}/01.json",
        f"s3://attributes/ddb/{TABLE}/{pk}/{sk}1/01.json",
        f"s3://attributes/ddb/{TABLE}/{pk}#victim/{sk}/01.json",
        f"s3://attributes/ddb/{TABLE}/x/{pk}/{sk}/01.json",
        f"S3://attributes/{own.partition('attributes/')[2]}",
        f" {own}",
    ]


def test_a_text_that_looks_like_a_reference_is_a_text(texts: Texts) -> None:
    for number, text in enumerate(foreign(texts)):
        key = DetailKey(EVE.pk, f"E1/{number}") if "E1" not in text else EVE
        version = 0 if key != EVE else -1
        texts.publish(key, text, version=version)
        assert texts.read(key) == text
        listed = texts.module.data.list_items_by_pk(EVE[0], limit=100, invoke_context=texts.lab.user())
        assert text in [stored(item.attributes) for item in listed.items]
    assert texts.read(VICTIM, "victim") == SECRET


def test_erasing_it_takes_no_other_object_along(texts: Texts) -> None:
    texts.publish(EVE, texts.reference(VICTIM))
    erase(texts.module, EVE, invoke_context=texts.lab.user())
    assert texts.read(VICTIM, "victim") == SECRET


def test_nor_does_it_keep_one(texts: Texts) -> None:
    """A text of another item's address does not count as a reference when the bucket is swept."""
    address = texts.reference(VICTIM)
    texts.publish(EVE, address)
    texts.publish(VICTIM, "short", tenant="victim", version=1)
    erase(texts.module, VICTIM, invoke_context=texts.lab.user(**{"custom:tenant": "victim"}))
    assert texts.lab.resources.objects == {}
    assert texts.read(EVE) == address
    assert collect_large_attributes(texts.module).deleted == 0


def test_the_address_of_ones_own_object_is_refused(texts: Texts) -> None:
    texts.publish(EVE, SECRET)
    pk, sk = EVE
    before = texts.lab.left()
    for address in (
        texts.reference(EVE),
        f"s3://any/{object_prefix(TABLE, pk, sk)}anything",
        f"s3://any/ddb/any-table/{pk}/{sk}/01.json",
        f"s3://any/ddb/any-table/{pk}/{sk}@1/01.json",
    ):
        with pytest.raises(InvalidInputError, match="attributes: must not be the address of"):
            texts.publish(EVE, address, version=1)
    assert texts.lab.left() == before
    assert texts.read(EVE) == SECRET


PARTS = st.sampled_from(
    [
        "s3:/",
        "",
        "attributes",
        "ddb",
        TABLE,
        "TODO#acme",
        "TODO#victim",
        "victim",
        "acme",
        "E1",
        "E1@1",
        "A1",
        "..",
    ]
    + [part for key in (EVE, VICTIM) for part in object_prefix(TABLE, *key).split("/")]
    + ["0.json"]
)
ADDRESSES = st.one_of(st.text(max_size=20), st.lists(PARTS, max_size=9).map("/".join)).map(
    lambda text: text if text.startswith("s3:") else f"s3://attributes/{text}"
)


@given(text=ADDRESSES)
@settings(max_examples=scaled(30, 300), deadline=None)
def test_whatever_is_accepted_is_read_as_it_was_written(text: str) -> None:
    texts = Texts()
    try:
        try:
            texts.publish(EVE, text)
            refused = []
        except InvalidInputError as error:
            refused = [problem.field for problem in error.problems]
        if refused:
            assert refused == ["attributes"]
            assert texts.lab.store.get(texts.module.context.data_place(EVE)) is None
            return
        assert texts.read(EVE) == text
        assert (
            texts.module.context.large_attributes.object_key_of(
                {"pk": EVE[0], "sk": "E1", "attributes": text}
            )
            is None
        )
    finally:
        texts.lab.clock.stop()


def test_attributes_that_are_an_object_are_found_under_any_table() -> None:
    """As the reference system names objects, and as they were named before a table was renamed."""
    lab = Lab()
    try:
        large = lab.module.context.large_attributes
        for key in ("ddb/old-name/acme/abc/1.json", "ddb/t/TODO#acme/A1@1/01M7.json"):
            assert large.object_key_of({"pk": "TODO#acme", "sk": "A1", "attributes": f"s3://b/{key}"}) == key
        for text in ("s3://b/backup/all.json", "s3://b/ddb/", "s3://b/ddb/t", "ddb/t/a/b"):
            assert large.object_key_of({"pk": "TODO#acme", "sk": "A1", "attributes": text}) is None
    finally:
        lab.clock.stop()
