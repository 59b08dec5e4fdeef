"""`cqrs tenant`: which tenants there are, and what each may do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import UsageError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.options import text, whole_number
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from constructs_lib.cli.context import Context

__all__ = ["TENANT"]

_STATES: Final = ("active", "suspended", "closed", "creating")
_ACTIVE: Final = "active"
#: Rows that one call looks at.
_PAGE: Final = 1000
_LONGEST_LIST: Final = 1_000_000


def _list(context: Context) -> Result:
    """List the tenants, page by page: a scan of their table."""
    listing, token, others = context.listing(), None, 0
    while True:
        page = context.operator.ask(
            "listTenants",
            limit=_PAGE,
            **({"state": context.options.state} if context.options.state else {}),
            **({"resumeToken": token} if token else {}),
        )
        listing.add(page["tenants"])
        others += sum(tenant["state"] == "creating" for tenant in page["tenants"])
        token = page["resumeToken"]
        if token is None:
            break
    table = Table(
        ("code", "name", "state", "reason"),
        [[one["code"], one["name"], one["state"], one["reason"]] for one in listing.entries],
    )
    hints = [listing.more] if listing.more else []
    if others:
        hints.append(f"{others} not set up to the end; cqrs tenant activate CODE goes on with one")
    document = {"tenants": listing.entries, "total": listing.total}
    return Result(document, [table], code=ExitCode.ATTENTION if others else ExitCode.FINE, hints=hints)


def _show(context: Context) -> Result:
    """Show all that is stored about a tenant."""
    return _of_one(context.operator.ask("showTenant", tenant=context.options.code))


def _create(context: Context) -> Result:
    """Register a tenant."""
    options = context.options
    attributes = {} if options.attributes is None else {"attributes": _object(options.attributes)}
    return _of_one(context.operator.ask("createTenant", tenant=options.code, name=options.name, **attributes))


def _suspend(context: Context) -> Result:
    """Let a tenant's requests be refused, from the next minute on."""
    options = context.options
    found = context.operator.ask(
        "setTenantState", tenant=options.code, state="suspended", reason=options.reason
    )
    return _of_one(found)


def _activate(context: Context) -> Result:
    """Let a tenant be served, set up to its end where that was not done."""
    options = context.options
    reason = {} if options.reason is None else {"reason": options.reason}
    return _of_one(context.operator.ask("setTenantState", tenant=options.code, state=_ACTIVE, **reason))


def _of_one(tenant: dict[str, Any]) -> Result:
    reason = f": {tenant['reason']}" if tenant["reason"] else ""
    attributes = json.dumps(tenant["attributes"], ensure_ascii=False, indent=2)
    parts = [
        Line(f"{tenant['code']}  {tenant['name']}", "bold"),
        Line(f"{tenant['state']}{reason}, version {tenant['version']}"),
        Line(),
        *(Line(line) for line in attributes.splitlines()),
    ]
    return Result(tenant, parts)


def _object(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        message = """--attributes: must be a JSON object, such as '{"plan": "pro"}'"""
        raise UsageError(message)
    return found


def _code(parser: ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", type=text, help="code of the tenant")


def _code_and_name(parser: ArgumentParser) -> None:
    _code(parser)
    parser.add_argument("name", metavar="NAME", type=text, help="name for people")
    parser.add_argument("--attributes", metavar="JSON", help="the service's own fields, a JSON object")


def _code_and_reason(parser: ArgumentParser) -> None:
    _code(parser)
    parser.add_argument("--reason", type=text, required=True, help="why, for people")


def _code_and_perhaps_reason(parser: ArgumentParser) -> None:
    _code(parser)
    parser.add_argument("--reason", type=text, help="why, for people")


def _state(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--list",
        type=whole_number(0, _LONGEST_LIST),
        metavar="N",
        help="tenants that are shown; they are all counted (default: 20, and 1000 with --json)",
    )
    parser.add_argument("--state", choices=_STATES, help="only tenants in this state")


TENANT: Final = VerbGroup(
    name="tenant",
    summary="tenants: which there are, and what each may do",
    verbs=(
        Verb(name="list", summary="list the tenants", run=_list, add_arguments=_state),
        Verb(name="show", summary="show all about a tenant", run=_show, add_arguments=_code),
        Verb(name="create", summary="register a tenant", run=_create, add_arguments=_code_and_name),
        Verb(
            name="suspend",
            summary="let its requests be refused",
            run=_suspend,
            add_arguments=_code_and_reason,
        ),
        Verb(
            name="activate",
            summary="let it be served, set up to its end where that was not done",
            run=_activate,
            add_arguments=_code_and_perhaps_reason,
        ),
    ),
)
