"""Environment variables of the functions: the constructs' own, and the user's beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations, Duration, Token

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_duration
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import Construct

    from constructs_lib.api.identity import Identity
    from constructs_lib.tables.session_table import SessionTable

__all__ = ["check_own_variables", "identity_environment", "session_environment", "warn_of_passwords"]

# What a user may set: settings of the runtime that no construct decides.
_OPEN: Final = {
    Env.LOG_LEVEL,
    Env.COMMON_TENANT_CODES,
    Env.CROSS_TENANT_ROLES,
    Env.ATTRIBUTE_LIMIT_SIZE,
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
        if not Token.is_unresolved(value) and _PASSWORD.search(value):
            Annotations.of(scope).add_warning_v2(
                "cqrs:plainPassword",
                f"the variable {name} has a password in it, which the template shows; "
                "keep it in a secret, and give that to the functions with add_secret",
            )


def session_environment(
    session_table: SessionTable | None, read_your_writes: Duration | None
) -> dict[str, str]:
    """Give the variables of read-your-writes; none without a session table."""
    check_duration(
        "read_your_writes",
        read_your_writes,
        minimum=Duration.seconds(1),
        maximum=Duration.days(1),
        hint="minutes are enough; leave session_table out to switch it off",
    )
    if session_table is None:
        if read_your_writes is not None:
            msg = (
                f"read_your_writes needs session_table, got {read_your_writes.to_human_string()} "
                "without one; pass a SessionTable"
            )
            raise InvalidPropsError(msg)
        return {}
    minutes = (read_your_writes or Duration.minutes(5)).to_minutes(integral=False)
    return {
        Env.SESSION_TABLE_NAME: session_table.table.table_name,
        Env.RYW_SESSION_TTL_MINUTES: f"{minutes:g}",
    }


def identity_environment(identity: Identity | None) -> dict[str, str]:
    """Give the ids of the user pool and its client; none without an identity."""
    if identity is None:
        return {}
    return {
        Env.COGNITO_USER_POOL_ID: identity.user_pool.user_pool_id,
        Env.COGNITO_USER_POOL_CLIENT_ID: identity.user_pool_client.user_pool_client_id,
    }
