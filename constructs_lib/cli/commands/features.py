"""The groups of verbs of the library's own features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.cli.commands.master import MASTER_GROUP
from constructs_lib.cli.commands.sequence import GROUP as SEQUENCE
from constructs_lib.cli.commands.tenant import TENANT

if TYPE_CHECKING:
    from constructs_lib.cli.verbs import VerbGroup

__all__ = ["GROUPS"]

#: One line a feature.
GROUPS: Final[tuple[VerbGroup, ...]] = (SEQUENCE, TENANT, MASTER_GROUP)
