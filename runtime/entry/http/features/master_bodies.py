"""What the routes of masters take and give: the names of the reference system."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from runtime.model.keys import generate_id, remove_sort_key_version
from runtime.model.models import CqrsModel

if TYPE_CHECKING:
    from runtime.model.models import CommandModel, DataModel

__all__ = [
    "BulkBody",
    "BulkOutcome",
    "BulkOutcomes",
    "CodedData",
    "DataBody",
    "DataChange",
    "GroupSettingBody",
    "MasterPage",
    "MasterRow",
    "SettingBody",
    "SettingChange",
    "SettingValue",
    "UserSettingBody",
    "row_of",
]


class _Body(CqrsModel):
    model_config = ConfigDict(extra="forbid")


class SettingBody(_Body):
    """A setting of a tenant.

    Attributes:
        code: Its code.
        name: Name for people. Default: the code.
        setting_value: Its value.
        tenant_code: The tenant. Default: that of the request.
    """

    code: str
    name: str | None = None
    setting_value: dict[str, Any]
    tenant_code: str | None = None


class GroupSettingBody(SettingBody):
    """A setting of a group.

    Attributes:
        group_id: The group.
    """

    group_id: str


class UserSettingBody(SettingBody):
    """A setting of a user.

    Attributes:
        user_id: The user.
    """

    user_id: str


class SettingChange(_Body):
    """What of a setting is to change; what is not named stays.

    Attributes:
        name: Name for people.
        setting_value: Fields of the value; objects are merged key by key.
    """

    name: str | None = None
    setting_value: dict[str, Any] | None = None


class SettingValue(CqrsModel):
    """What a setting is for the caller.

    Attributes:
        id: Id of the row that counts first.
        setting_value: The value.
    """

    id: str
    setting_value: dict[str, Any]


class DataBody(_Body):
    """A row of a code table.

    Attributes:
        setting_code: Code of the table.
        code: Code of the row.
        name: Name for people.
        seq: Number that rows are sorted by. Default: the next one of the table.
        attributes: The row's own fields.
        tenant_code: The tenant. Default: that of the request.
    """

    setting_code: str
    code: str | None = None
    name: str
    seq: int | None = Field(default=None, strict=True)
    attributes: dict[str, Any] | None = None
    tenant_code: str | None = None


class CodedData(DataBody):
    """A row of a code table, with its code."""

    code: str


class DataChange(_Body):
    """What of a row is to change; what is not named stays. Objects are merged key by key."""

    name: str | None = None
    seq: int | None = Field(default=None, strict=True)
    attributes: dict[str, Any] | None = None


class BulkBody(_Body):
    """Settings, rows, or both: what has a ``settingCode`` is a row.

    Attributes:
        items: 1 to 100 of them, in the form that one alone has.
    """

    items: list[dict[str, Any]] = Field(min_length=1, max_length=100)


class MasterRow(CqrsModel):
    """A row of masters.

    Attributes:
        id: ``pk#sk``.
        request_id: Id of the request that wrote it.
    """

    pk: str
    sk: str
    id: str
    code: str | None = None
    name: str | None = None
    version: int
    tenant_code: str | None = None
    type: str | None = None
    seq: int | None = None
    is_deleted: bool | None = None
    attributes: dict[str, Any] | None = None
    request_id: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None


class MasterPage(CqrsModel):
    """A page of rows.

    Attributes:
        total: How many there are on all pages.
        items: Those of the page.
    """

    total: int
    items: list[MasterRow]


class BulkOutcome(CqrsModel):
    """What became of one item of a bulk request.

    Attributes:
        index: Its place in the request, from 0.
        status: The status that it would have had alone.
        id: Id of the row.
        item: The row as it is stored.
        problem: Why it was refused (RFC 9457).
    """

    index: int
    status: int
    id: str | None = None
    item: MasterRow | None = None
    problem: dict[str, Any] | None = None


class BulkOutcomes(CqrsModel):
    """What became of the items of a bulk request, in their order."""

    items: list[BulkOutcome]


def row_of(found: CommandModel[Any] | DataModel[Any]) -> MasterRow:
    """A row as an answer has it."""
    sk = remove_sort_key_version(found.sk)
    said = {name: getattr(found, name) for name in MasterRow.model_fields if name not in {"sk", "id"}}
    return MasterRow(sk=sk, id=generate_id(found.pk, sk), **said)
