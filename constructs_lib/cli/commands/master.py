"""`cqrs master`: settings and code tables, through the operator function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.context import Result
from constructs_lib.cli.errors import RefusedError, UsageError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping

    from constructs_lib.cli.context import Context

__all__ = ["MASTER_GROUP"]

_KINDS = ("command", "data", "history")


def _add_who(parser: ArgumentParser) -> None:
    parser.add_argument("tenant", metavar="TENANT", help="code of the tenant")
    parser.add_argument("code", metavar="CODE", help="code of the setting")
    parser.add_argument("--user", metavar="ID", help="whose setting; default: of nobody in particular")
    parser.add_argument(
        "--role",
        action="append",
        metavar="NAME",
        help="a role of theirs, whose groups count; may be repeated",
    )


def _who(context: Context) -> dict[str, Any]:
    options = context.options
    return {"tenant": options.tenant, "code": options.code, "user": options.user, "roles": options.role}


def get(context: Context) -> Result:
    """Show what a setting is for somebody."""
    found = context.operator.ask("getSetting", **_who(context))
    return Result(found, [Line(found["id"], "bold"), *_lines(found["settingValue"])])


def explain(context: Context) -> Result:
    """Show what a setting is for somebody, and where each field is from."""
    found = context.operator.ask("explainSetting", **_who(context))
    fields = [
        [name, _text(found["value"].get(name)), said["level"], said["id"]]
        for name, said in found["fields"].items()
    ]
    parts: list[Line | Table] = [Table(["field", "value", "level", "row"], fields)]
    if found["problems"]:
        problems = [[problem["field"], problem["message"]] for problem in found["problems"]]
        parts.append(
            Table(["field", "problem"], problems, "What is stored does not fit: the default is taken")
        )
    return Result(found, parts, code=ExitCode.ATTENTION if found["problems"] else ExitCode.FINE)


def _add_apply(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--file", required=True, type=Path, metavar="FILE", help="document, as JSON or YAML"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="delete what the document has not: settings, and rows of its tables",
    )
    parser.add_argument("--yes", action="store_true", help="do it; default: only say what would change")


def apply(context: Context) -> Result:
    """Bring tenants' masters to what a document says: what would change, and with ``--yes`` the change."""
    options = context.options
    tenants = _document(options.file)
    asked = [
        {"tenant": tenant, "masters": masters, "prune": options.prune} for tenant, masters in tenants.items()
    ]
    found = _planned(context, asked)
    if options.yes:
        pairs = zip(asked, found, strict=True)
        found = [
            context.operator.ask("applyMaster", **each) if to_do["changes"] else to_do
            for each, to_do in pairs
        ]
    rows = [
        [change["action"], change["id"], _difference(change)]
        for tenant in found
        for change in tenant["changes"]
    ]
    document = {"applied": options.yes, "tenants": found}
    if not rows:
        return Result(document, [Line("Everything is as the document says")])
    title = "Changed" if options.yes else "Would change"
    hints = () if options.yes else ("nothing is written yet: --yes does it",)
    code = ExitCode.FINE if options.yes else ExitCode.ATTENTION
    return Result(document, [Table(["action", "row", "what"], rows, title)], code=code, hints=hints)


def _planned(context: Context, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What would change. Before anything is written, all of it is checked, and all that is wrong is told.

    Raises:
        RefusedError: Something is, in one tenant or in several.
    """
    found: list[dict[str, Any]] = []
    refused: list[tuple[str, RefusedError]] = []
    for each in asked:
        try:
            found.append(context.operator.ask("applyMaster", **each, dryRun=True))
        except RefusedError as error:
            refused.append((each["tenant"], error))
    if refused:
        message = "; ".join(f"tenant {tenant}: {error}" for tenant, error in refused)
        raise RefusedError(message, refused[0][1].kind)
    return found


def _add_retention(parser: ArgumentParser) -> None:
    parser.add_argument("module", metavar="MODULE", help="name of the module")
    parser.add_argument("--tenant", metavar="CODE", help="default: the tenant of keys that name none")
    parser.add_argument("--kind", choices=_KINDS, help="set it for this table; default: only show it")
    parser.add_argument("--days", metavar="N", help="number of days, or 'forever'; with --kind")


def retention(context: Context) -> Result:
    """Show how long rows of a module are kept for a tenant, or say so."""
    options = context.options
    if (options.kind is None) != (options.days is None):
        message = "--kind and --days go together"
        raise UsageError(message)
    days = None if options.days in {None, "forever"} else _number(options.days)
    found = context.operator.ask(
        "masterRetention", module=options.module, tenant=options.tenant, kind=options.kind, days=days
    )
    rows = [[kind, found["days"][kind] or "for ever"] for kind in _KINDS]
    return Result(found, [Table(["table", "days"], rows, f"{found['module']}, tenant {found['tenant']}")])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        message = f"--days must be a whole number from 1, or 'forever', got {text!r}"
        raise UsageError(message)
    return int(text)


def _document(path: Path) -> Mapping[str, Any]:
    """What a file says of tenants."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read ({error})"
        raise UsageError(message) from error
    found = _json(path, text) if path.suffix == ".json" else _yaml(path, text)
    tenants = found.get("tenants") if isinstance(found, dict) and set(found) == {"tenants"} else None
    if not isinstance(tenants, dict) or not all(isinstance(tenant, str) for tenant in tenants):
        message = f"{path} must have one key, tenants, with the masters of each tenant by its code"
        raise UsageError(message)
    return tenants


def _json(path: Path, text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{path} is no JSON ({error})"
        raise UsageError(message) from error


def _yaml(path: Path, text: str) -> Any:  # noqa: ANN401 - any YAML
    try:
        import yaml  # type: ignore[import-untyped] # noqa: PLC0415 - an extra: JSON needs none
    except ImportError as error:
        message = f"{path} is read with PyYAML; run `pip install 'cdk-cqrs[cli]'`, or write JSON"
        raise UsageError(message) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"{path} is no YAML ({' '.join(str(error).split())})"
        raise UsageError(message) from error


def _difference(change: Mapping[str, Any]) -> str:
    """What changes in a row, field by field."""
    before, after = (_flat(change[name]) for name in ("before", "after"))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if change["action"] == "delete":
        return ""
    shown = (
        f"{name}: {_text(after.get(name))}"
        if change["before"] is None
        else f"{name}: {_text(before.get(name))} -> {_text(after.get(name))}"
        for name in names
    )
    return ", ".join(shown)


def _flat(state: Mapping[str, Any] | None) -> dict[str, Any]:
    if state is None:
        return {}
    own = {name: value for name, value in state.items() if name != "attributes" and value is not None}
    return own | (state.get("attributes") or {})


def _text(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _lines(value: object) -> list[Line]:
    return [Line(line) for line in json.dumps(value, ensure_ascii=False, indent=2).splitlines()]


MASTER_GROUP = VerbGroup(
    name="master",
    summary="settings, code tables, and how long rows are kept",
    verbs=(
        Verb(name="get", summary="show what a setting is for somebody", run=get, add_arguments=_add_who),
        Verb(
            name="explain",
            summary="show what a setting is for somebody, and where each field is from",
            run=explain,
            add_arguments=_add_who,
        ),
        Verb(
            name="apply",
            summary="bring settings and code tables to what a document says",
            run=apply,
            add_arguments=_add_apply,
        ),
        Verb(
            name="retention",
            summary="show how long rows are kept, or say so",
            run=retention,
            add_arguments=_add_retention,
        ),
    ),
)
