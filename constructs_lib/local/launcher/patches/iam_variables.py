"""Variables in policies, where policies are enforced: `${aws:PrincipalTag/tenant}`.

AWS puts the value of a context key in the place of a variable, in resources and in the values of
conditions that compare text or ARNs; what is put there is taken as it is, and where the key has no
value the element matches nothing
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html).

Stock compares the text of the variable. Variables with a default, and `${*}`, `${?}` and `${$}`, stay
as they are here, too.
"""

from __future__ import annotations

import re
from typing import Any

from ministack import app
from ministack.core import iam_evaluator

from ..patching import replace

__all__ = ["apply"]

_VARIABLE = re.compile(r"\$\{([^*?$}'][^}']*)\}")
#: Matches no value of a request: none has it.
_NOTHING = "\0"


def apply() -> None:
    """Fill in variables, where policies are enforced."""
    if not app.AUTH:
        return

    def first_match(context: Any, statements: list[Any], effect: str) -> Any:
        return stock(context, [_filled(statement, context) for statement in statements], effect)

    stock = replace(
        iam_evaluator,
        "_first_match",
        first_match,
        holding=(
            "_resource_matches(ctx.resource_arn, stmt.resources, stmt.not_resources)",
            "_conditions_met(stmt.conditions, ctx)",
        ),
    )


def _filled(statement: Any, context: Any) -> Any:
    """The statement with values in the place of its variables; itself where it has none."""
    if "${" not in str((statement.resources, statement.not_resources, statement.conditions)):
        return statement
    return iam_evaluator.replace(
        statement,
        resources=_fill(statement.resources, context),
        not_resources=_fill(statement.not_resources, context),
        conditions=_fill(statement.conditions, context),
    )


def _fill(part: Any, context: Any) -> Any:
    if isinstance(part, dict):
        return {name: _fill(value, context) for name, value in part.items()}
    if isinstance(part, list):
        return [_fill(value, context) for value in part]
    if not isinstance(part, str):
        return part
    found = {name: iam_evaluator._resolve_condition_key(name, context) for name in _VARIABLE.findall(part)}
    if any(not isinstance(value, str) for value in found.values()):
        return _NOTHING
    # Wildcards in a value are none in the pattern; session tags, the values that policies go by here,
    # can have no such characters.
    if any(set("*?") & set(value) for value in found.values()):
        return _NOTHING
    return _VARIABLE.sub(lambda match: found[match[1]], part)
