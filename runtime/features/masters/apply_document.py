"""What a document says of a tenant's masters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from runtime.errors import InvalidInputError
from runtime.features.masters.keys import Level
from runtime.features.masters.settings import SettingItem
from runtime.model.models import CqrsModel
from runtime.model.validation import field_problems

__all__ = ["GivenData", "GivenFormat", "GivenRetention", "GivenSetting", "TenantMasters"]


class _Model(CqrsModel):
    model_config = ConfigDict(extra="forbid")


class GivenSetting(_Model):
    """A setting: of a group or a user where one is given, else of the tenant."""

    code: str
    name: str | None = None
    setting_value: dict[str, Any]
    group_id: str | None = None
    user_id: str | None = None

    def item(self, tenant_code: str) -> SettingItem:
        """The setting as it is given to the feature."""
        level = Level.USER if self.user_id is not None else Level.TENANT
        return SettingItem(
            code=self.code,
            value=self.setting_value,
            level=Level.GROUP if self.group_id is not None else level,
            group_id=self.group_id,
            user_id=self.user_id,
            name=self.name,
            tenant_code=tenant_code,
        )


class GivenData(_Model):
    """A row of a code table."""

    setting_code: str
    code: str
    name: str
    seq: int | None = Field(default=None, strict=True)
    attributes: dict[str, Any] | None = None


class GivenFormat(_Model):
    """How the numbers of a type are printed."""

    type_code: str
    name: str | None = None
    attributes: dict[str, Any]


class GivenRetention(_Model):
    """How many days rows of a table are kept; None for ever."""

    module: str
    kind: Literal["command", "data", "history"]
    days: int | None = Field(strict=True)


class TenantMasters(_Model):
    """What a document says of a tenant.

    Attributes:
        settings: Settings: ``code``, ``settingValue``, perhaps ``name``, and ``groupId`` or ``userId``.
        data: Rows of code tables: ``settingCode``, ``code``, ``name``, perhaps ``seq`` and ``attributes``.
        formats: Formats of numbers: ``typeCode``, ``attributes``, perhaps ``name``.
        retention: How long rows are kept: ``module``, ``kind`` and ``days``, null for ever.
    """

    settings: list[GivenSetting] = Field(default_factory=list)
    data: list[GivenData] = Field(default_factory=list)
    formats: list[GivenFormat] | None = None
    retention: list[GivenRetention] = Field(default_factory=list)

    @classmethod
    def of(cls, document: object) -> TenantMasters:
        """What a document says.

        Raises:
            InvalidInputError: It makes no sense; the error names the fields.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidInputError(field_problems(error)) from error
