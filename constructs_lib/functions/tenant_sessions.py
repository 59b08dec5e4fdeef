"""A role whose sessions reach the data of one tenant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.parts import DataAccess
from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.compliance_packs import NO_INLINE, OF_ONE_ROLE, of_compliance_packs
from constructs_lib.props.grants import merge_statements
from constructs_lib.props.strict_props import strict_props
from constructs_lib.quotas.at_synth import check_at_synth
from constructs_lib.quotas.role_policies import check_policies
from runtime.contract import DIGEST_LENGTH, DIGEST_MARK, DIGEST_TAG, OBJECTS_FOLDER, TENANT_TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_lambda as lambda_

__all__ = ["TenantSessions"]

_TENANT: Final = f"${{aws:PrincipalTag/{TENANT_TAG}}}"
_DIGEST: Final = f"${{aws:PrincipalTag/{DIGEST_TAG}}}"
_PLAIN: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}")
_WRITES: Final = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQL*")
#: `{digest}/{sha256}.json`: of a fixed length, so that nothing before it can reach into it.
_OBJECT: Final = f"{'?' * DIGEST_LENGTH}/{'?' * 64}.json"


class TenantSessions(Construct):
    """A role for a function that works for one tenant at a time: least privilege by tenant.

    The function assumes it with the tenant as a tag of the session. Of tables it then reaches rows
    whose partition key ends in ``#tenant``, and may read those of the common tenants; the policy
    denies all others, whatever the role is granted. Of the attributes bucket it is granted what is
    in the tenant's folder.

    Example:
        >>> sessions = TenantSessions(self, "Sessions", function=api_function)
        >>> orders.grants.read(sessions.role)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        function: Who may assume the role, and nobody else. The runtime does where the function
            has the role's ARN as the variable ``TENANT_ROLE_ARN``.
        common_tenant_codes: Tenants whose data every tenant may read, in lower case. Defaults to
            "common".
        common_keys: Partition keys of rows that are about no tenant, and that every tenant may read. Defaults
            to none.

    Raises:
        InvalidPropsError: The function has no role that is known, or a common tenant or key has characters
            that mean something in a policy.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        common_tenant_codes: Sequence[str] = ("common",),
        common_keys: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        merge_statements(self)
        for code in common_tenant_codes:
            if not _PLAIN.fullmatch(code):
                msg = (
                    "common_tenant_codes must be letters, digits and _ . - in lower case, 64 at most, "
                    f"got {code!r}; rename the tenant, or leave it out"
                )
                raise InvalidPropsError(msg)
        for key in common_keys:
            if re.search(r"[*?]|\$\{", key):
                msg = f"common_keys must have no *, ? or ${{, got {key!r}; leave it out"
                raise InvalidPropsError(msg)
        if function.role is None:
            msg = (
                f"function must have a role, got {function.node.path} without; "
                "import it with from_function_attributes(role=...)"
            )
            raise InvalidPropsError(msg)
        by_function = iam.ArnPrincipal(function.role.role_arn)
        # Both tags, or none of the session: a policy that names a tag says nothing where it is missing.
        tagged = {f"aws:RequestTag/{tag}": "?*" for tag in (TENANT_TAG, DIGEST_TAG)}
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=by_function.with_conditions({"StringLike": tagged}).with_session_tags(),
            description="Reaches the rows and objects of the tenant that the session is tagged with",
        )
        self.role.grant_assume_role(function.role)
        iam.Grant.add_to_principal(
            grantee=function.role, actions=["sts:TagSession"], resource_arns=[self.role.role_arn]
        )
        for statement in _denials(common_tenant_codes, common_keys):
            self.role.add_to_policy(statement)
        acknowledge(self.role, OF_ONE_ROLE, *of_compliance_packs(NO_INLINE))
        acknowledge(
            self.role,
            "all actions are in statements that deny; those that allow name each action",
            *of_compliance_packs("IAMPolicyNoStatementsWithFullAccess"),
        )
        check_at_synth(self, self.check_quotas)
        self.data_access = DataAccess(
            self.role,
            own_objects=_objects(_TENANT, f"{DIGEST_MARK}{_DIGEST}"),
            common_objects=tuple(path for code in common_tenant_codes for path in _objects(code)),
        )

    def check_quotas(self) -> None:
        """Refuse a role with more policies than AWS takes, as it is now; done again at synthesis.

        Raises:
            InvalidPropsError: There are too many.

        """
        check_policies(self.role)


def _denials(common: Sequence[str], keys: Sequence[str]) -> list[iam.PolicyStatement]:
    """What a session may not do, whatever the role is granted."""
    own = [f"*#{_TENANT}"]
    readable = [*own, *(f"*#{code}" for code in common), *keys]
    writes = [f"dynamodb:{name}" for name in _WRITES]
    return [
        _deny("NothingWithoutATenant", ["*"], {"Null": {f"aws:PrincipalTag/{TENANT_TAG}": "true"}}),
        _deny("RowsByKeyOnly", ["dynamodb:*"], {"Null": {"dynamodb:LeadingKeys": "true"}}),
        _deny("RowsOfTheTenant", ["dynamodb:*"], _other_than(readable)),
        _deny("WritesOfTheTenant", writes, _other_than(own)),
    ]


def _other_than(keys: Sequence[str]) -> dict[str, Any]:
    """One of the partition keys is none of these."""
    return {"ForAnyValue:StringNotLike": {"dynamodb:LeadingKeys": [*keys]}}


def _deny(sid: str, actions: Sequence[str], conditions: dict[str, Any]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, effect=iam.Effect.DENY, actions=[*actions], resources=["*"], conditions=conditions
    )


def _objects(*folders: str) -> tuple[str, ...]:
    """Names of the objects of a tenant, whose folder is one of these."""
    ours = [f"{OBJECTS_FOLDER}/*/{folder}/{_OBJECT}" for folder in folders]
    # The reference system names objects `{pk}/{sk}/{id}.json`, where the key ends in the tenant.
    return (*ours, f"{OBJECTS_FOLDER}/*/*#{folders[0]}/*")
