"""An AppSync Event API that pushes notifications to the users of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Names, Stack
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.messaging.realtime_handler import subscribe_handler
from constructs_lib.props.checks import check_pattern
from constructs_lib.props.environments import check_environment
from constructs_lib.props.strict_props import strict_props
from runtime.contract import Claim, Env

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.api.identity import Identity
    from constructs_lib.parts import ServiceFunctions

__all__ = ["DEFAULT_CROSS_TENANT_ROLES", "RealtimeApi", "RealtimeApiGrants"]

#: What the runtime takes where ``CROSS_TENANT_ROLES`` is not set.
DEFAULT_CROSS_TENANT_ROLES: Final = ("system_admin",)
_SERVICE: Final = appsync.AppSyncAuthorizationType.IAM
_USERS: Final = appsync.AppSyncAuthorizationType.USER_POOL
_OTHER_USERS: Final = appsync.AppSyncAuthorizationType.OIDC
_NAMESPACE: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?"
_NAME_LENGTH: Final = 50
_SAME_ACCOUNT: Final = "functions sign with their role, which AppSync takes in its own account only"


class RealtimeApi(Construct):
    """A WebSocket API on which users see what happens in their tenant, as it happens.

    Users connect with the ID token of the service's user pool and subscribe to
    ``/{namespace}/{tenant}/{action}/{id}``, where the tenant must be their own; with ``*``
    as the last part they see all of it. Functions publish with their role. There is no API
    key, and users cannot publish.

    Example:
        >>> realtime = RealtimeApi(self, "Realtime", identity=identity)
        >>> realtime.grants.publish(notifier)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        identity: Whose users may connect. Required without ``event_api``. Defaults to none.
        event_api: An existing API, which users connect to with a user pool or another OIDC
            issuer, and functions with IAM. Defaults to a new one.
        namespace: First part of the channels: letters, digits and dashes. Defaults to
            "default".
        cross_tenant_roles: Roles that let users subscribe in the tenant that they have one for,
            or in all tenants where the role names none. Give what ``CROSS_TENANT_ROLES`` has.
            Defaults to "system_admin".
        tenant_claim: Name of the claim with the user's tenant, for an ``event_api`` whose users
            have another issuer. Give what ``TENANT_CLAIM`` has. Defaults to "custom:tenant".
        roles_claim: The same for the user's roles, and ``ROLES_CLAIM``. Defaults to
            "custom:roles".
        user_claim: The same for the user, and ``USER_CLAIM``. Defaults to "sub".

    Raises:
        InvalidPropsError: The namespace cannot be one, both or neither of ``identity`` and
            ``event_api`` are given, or the existing API does not know users and functions.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        identity: Identity | None = None,
        event_api: appsync.IEventApi | None = None,
        namespace: str = "default",
        cross_tenant_roles: Sequence[str] = DEFAULT_CROSS_TENANT_ROLES,
        tenant_claim: str = Claim.TENANT,
        roles_claim: str = Claim.ROLES,
        user_claim: str = Claim.USER,
    ) -> None:
        super().__init__(scope, construct_id)
        check_pattern("namespace", namespace, _NAMESPACE, hint="use a name such as 'default'")
        self.namespace = namespace
        self.event_api = _checked(event_api, identity) if event_api else self._event_api(identity)
        self.channel_namespace = appsync.ChannelNamespace(
            self,
            "Namespace",
            api=self.event_api,
            channel_namespace_name=namespace,
            code=appsync.Code.from_inline(
                subscribe_handler(
                    cross_tenant_roles,
                    tenant_claim=tenant_claim,
                    roles_claim=roles_claim,
                    user_claim=user_claim,
                )
            ),
            authorization_config=appsync.NamespaceAuthConfig(
                publish_auth_mode_types=[_SERVICE], subscribe_auth_mode_types=[_users(self.event_api)]
            ),
        )
        self.grants = RealtimeApiGrants(self.channel_namespace)

    @property
    def http_endpoint(self) -> str:
        """Where functions publish."""
        return f"https://{self.event_api.http_dns}/event"

    @property
    def websocket_endpoint(self) -> str:
        """Where users connect."""
        return f"wss://{self.event_api.realtime_dns}/event/realtime"

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let the notifier, or a function of your own, push to the users of this API."""
        function = functions if is_own_function(functions) else functions.notifier
        check_environment("event_api", self.event_api, function, hint=_SAME_ACCOUNT, region_may_differ=True)
        if is_own_function(functions):
            own = own_function(self, functions)
            self.grants.publish(own.function)
            own.set_variable(Env.APPSYNC_EVENTS_ENDPOINT, self.http_endpoint)
            own.set_variable(Env.APPSYNC_EVENTS_NAMESPACE, self.namespace)
            return
        self.grants.publish(functions.notifier)
        functions.set_variable(Env.APPSYNC_EVENTS_ENDPOINT, self.http_endpoint, functions.notifier)
        functions.set_variable(Env.APPSYNC_EVENTS_NAMESPACE, self.namespace, functions.notifier)

    def _user_pool(self, identity: Identity) -> cognito.IUserPool:
        """The pool; one of another region by its ARN, which AppSync's construct reads the region from."""
        pool = identity.user_pool
        if pool.env.region == identity.region:
            return pool
        arn = Stack.of(self).format_arn(
            service="cognito-idp",
            region=identity.region,
            resource="userpool",
            resource_name=pool.user_pool_id,
        )
        return cognito.UserPool.from_user_pool_arn(self, "Users", arn)

    def _event_api(self, identity: Identity | None) -> appsync.EventApi:
        if identity is None:
            msg = "identity must be given without event_api, got None; pass the Identity whose users connect"
            raise InvalidPropsError(msg)
        users = appsync.AppSyncAuthProvider(
            authorization_type=_USERS,
            cognito_config=appsync.AppSyncCognitoConfig(
                user_pool=self._user_pool(identity),
                # Tokens that another client of the same pool was given are no business of this API.
                app_id_client_regex=f"^{identity.user_pool_client.user_pool_client_id}$",
            ),
        )
        return appsync.EventApi(
            self,
            "Api",
            api_name=Names.unique_resource_name(self, max_length=_NAME_LENGTH, separator="-"),
            authorization_config=appsync.EventApiAuthConfig(
                auth_providers=[users, appsync.AppSyncAuthProvider(authorization_type=_SERVICE)],
                connection_auth_mode_types=[_USERS],
                default_publish_auth_mode_types=[_SERVICE],
                default_subscribe_auth_mode_types=[_USERS],
            ),
        )


class RealtimeApiGrants:
    """Permissions on the channels of a `RealtimeApi`."""

    def __init__(self, channel_namespace: appsync.ChannelNamespace) -> None:
        self._channel_namespace = channel_namespace

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` publish to every channel of the namespace."""
        return self._channel_namespace.grant_publish(grantee)


def _checked(event_api: appsync.IEventApi, identity: Identity | None) -> appsync.IEventApi:
    if identity is not None:
        msg = (
            f"identity has no effect on a resource that event_api brings, got {identity.node.path}; "
            "leave identity out and configure the API where it is defined"
        )
        raise InvalidPropsError(msg)
    missing = {_SERVICE, _users(event_api)} - set(event_api.auth_provider_types)
    if missing:
        names = " and ".join(sorted(kind.name for kind in missing))
        msg = (
            "event_api must take users (of a user pool, or OIDC) and functions with IAM, "
            f"got one without {names}; "
            "add the provider where the API is defined, or name it in auth_provider_types"
        )
        raise InvalidPropsError(msg)
    return event_api


def _users(event_api: appsync.IEventApi) -> appsync.AppSyncAuthorizationType:
    """How users connect: as those of a user pool, unless there is only another issuer."""
    kinds = set(event_api.auth_provider_types)
    return _OTHER_USERS if _OTHER_USERS in kinds and _USERS not in kinds else _USERS
