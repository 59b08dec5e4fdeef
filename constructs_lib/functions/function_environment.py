"""Environment variables of the functions: the constructs' own, and the user's beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.tokens import is_unresolved
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import Construct

__all__ = ["check_own_variables", "warn_of_passwords"]

# What a user may set: settings of the runtime that no construct decides.
_OPEN: Final = {
    Env.LOG_LEVEL,
    Env.COMMON_TENANT_CODES,
    Env.CROSS_TENANT_ROLES,
    Env.USER_CLAIM,
    Env.TENANT_CLAIM,
    Env.ROLES_CLAIM,
    Env.GROUPS_CLAIM,
    Env.ATTRIBUTE_LIMIT_SIZE,
    Env.ITEM_SIZE_LIMIT,
    Env.REQUEST_BODY_SIZE_LIMIT,
    Env.SES_FROM_EMAIL,
}
_LOCAL: Final = "local"
# As in postgresql://user:password@host/database.
_PASSWORD: Final = re.compile(r"://[^/?#\s]*:[^/?#@\s]+@")
_OWNED: Final = {value for name, value in vars(Env).items() if name.isupper()} - _OPEN


def check_own_variables(prop: str, names: Iterable[str]) -> None:
    """Refuse variables that the constructs set.

    Raises:
        InvalidPropsError: One of ``names``, which ``prop`` gives, is not the user's to set.

    """
    for name in names:
        if name in _OWNED:
            msg = f"{prop} must not be {name}, got it; the constructs set it: choose another name"
            raise InvalidPropsError(msg)


def warn_of_passwords(scope: Construct, environment: Mapping[str, str], env_name: str) -> None:
    """Warn of URLs with a password: a variable's value is in the template, the console and ``cdk.out``.

    Not at the stage ``local``, whose databases are made for a test.
    """
    for name, value in environment.items() if env_name != _LOCAL else ():
        if not is_unresolved(value) and _PASSWORD.search(value):
            Annotations.of(scope).add_warning_v2(
                "cqrs:plainPassword",
                f"the variable {name} has a password in it, which the template shows; "
                "keep it in a secret, and give that to the functions with add_secret",
            )
