"""Checks that hold for what an app adds later, too: done again when it is synthesized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from constructs import IValidation

from constructs_lib.errors import InvalidPropsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct

__all__ = ["check_at_synth"]


def check_at_synth(scope: Construct, check: Callable[[], None]) -> None:
    """Do ``check`` when the app is synthesized, behind its aspects and before anything is written.

    The CDK then collects what is wrong, and ends with an error of its own type that has the text of
    each `InvalidPropsError`.
    """
    scope.node.add_validation(_Validation(check))


@jsii.implements(IValidation)
class _Validation:
    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def validate(self) -> list[str]:
        try:
            self._check()
        except InvalidPropsError as error:
            return [str(error)]
        return []
