"""Who may call the service: a Cognito user pool and its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from constructs_lib.api.brought_pool import check_pool
from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.checks import (
    check_range,
    check_removal_policy,
    refuse_props_of_brought,
)
from constructs_lib.props.deletion_protection import let_protection_follow
from constructs_lib.props.environments import check_region_is_known
from constructs_lib.props.imported_names import check_user_pool_id
from constructs_lib.props.lookups import is_known
from constructs_lib.props.strict_props import strict_props
from constructs_lib.props.tokens import is_unresolved
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["Identity"]

_TENANT: Final = "tenant"
_ROLES: Final = "roles"
_SHORTEST_PASSWORD: Final = 12


class Identity(Construct):
    """A user pool whose users carry a tenant and roles, and a client for web and mobile apps.

    Users sign in with their e-mail address. Only administrators write ``custom:tenant``
    and ``custom:roles``: the client may read them, so that they are in the ID token, and
    may not write them. A second factor is an authenticator app: no message costs money.

    Example:
        >>> identity = Identity(self, "Identity")
        >>> CqrsApi(self, "Api", function=api, identity=identity)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the pool's logical id: changing it
            replaces the pool and loses its users.
        user_pool: An existing user pool, with the custom attributes ``tenant`` and
            ``roles``. Defaults to a new one.
        user_pool_client: An existing client of ``user_pool``. Defaults to a new one.
        mfa: Whether users may, must or cannot have a second factor. Defaults to OPTIONAL.
        self_sign_up: Whether anybody may make an account; a new one has neither tenant
            nor roles. Defaults to administrators only.
        password_min_length: Shortest password, from 8 to 99 characters; each has lower and
            upper case, a digit and a symbol. Defaults to 12.
        password_auth: Whether the client may also send the password itself, as curl does;
            by default it only proves that it knows it (SRP).
        removal_policy: What happens to the new pool when it leaves the stack. RETAIN, the
            default, keeps it and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it
            without protection; DESTROY turns both off.

    Raises:
        InvalidPropsError: A client was brought without its pool, or of another pool, a property
            configures a resource that was brought along, or the pool has not the attributes that a new
            client reads.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        user_pool: cognito.IUserPool | None = None,
        user_pool_client: cognito.IUserPoolClient | None = None,
        mfa: cognito.Mfa | None = None,
        self_sign_up: bool = False,
        password_min_length: int | None = None,
        password_auth: bool = False,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_range(
            "password_min_length", password_min_length, minimum=8, maximum=99, hint="12 is a good default"
        )
        if user_pool is not None:
            refuse_props_of_brought(
                "user_pool",
                mfa=mfa.name if mfa else None,
                self_sign_up=self_sign_up,
                password_min_length=password_min_length,
                removal_policy=removal_policy,
            )
        if user_pool_client is not None:
            refuse_props_of_brought("user_pool_client", password_auth=password_auth)
            if user_pool is None:
                msg = (
                    "user_pool must be given with user_pool_client, got None; "
                    "a client belongs to one pool: pass that pool, or leave the client out"
                )
                raise InvalidPropsError(msg)
        if user_pool is not None:
            check_pool(user_pool, user_pool_client)
        check_removal_policy("removal_policy", removal_policy or RemovalPolicy.RETAIN)
        self.user_pool: cognito.IUserPool = user_pool or self._user_pool(
            mfa or cognito.Mfa.OPTIONAL,
            password_min_length or _SHORTEST_PASSWORD,
            removal_policy or RemovalPolicy.RETAIN,
            self_sign_up=self_sign_up,
        )
        self.user_pool_client: cognito.IUserPoolClient = user_pool_client or cognito.UserPoolClient(
            self,
            "Client",
            user_pool=self.user_pool,
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=True, user_password=password_auth),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            id_token_validity=Duration.hours(1),
            access_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
            read_attributes=_own_attributes()
            .with_standard_attributes(email=True, email_verified=True, **_PROFILE)
            .with_custom_attributes(_TENANT, _ROLES),
            write_attributes=_own_attributes(),
        )

    @classmethod
    @strict_props
    def from_user_pool_id(
        cls,
        scope: Construct,
        construct_id: str,
        user_pool_id: str,
        *,
        user_pool_client_id: str | None = None,
        password_auth: bool = False,
    ) -> Identity:
        """Use a user pool that exists, in any account and Region.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            user_pool_id: Its id. Its users must have the custom attributes ``tenant`` and ``roles``.
            user_pool_client_id: Its client; needed for a pool of another account or Region. Defaults to
                a new client.
            password_auth: As for a new client.

        Raises:
            InvalidPropsError: ``user_pool_id`` cannot be one, or a new client is asked for in another
                Region.

        """
        check_user_pool_id("user_pool_id", user_pool_id)
        region, here = user_pool_id.rpartition("_")[0], Stack.of(scope).region
        known = is_known(user_pool_id) and not is_unresolved(here)
        if user_pool_client_id is None and known and region != here:
            msg = (
                f"user_pool_client_id must be given for a pool of another Region, got None for "
                f"{user_pool_id} in a stack of {here}; make the client where the pool is"
            )
            raise InvalidPropsError(msg)
        client = None
        if user_pool_client_id is not None:
            client = cognito.UserPoolClient.from_user_pool_client_id(
                scope, f"Imported{construct_id}Client", user_pool_client_id
            )
        return cls(
            scope,
            construct_id,
            user_pool=cognito.UserPool.from_user_pool_id(scope, f"Imported{construct_id}Users", user_pool_id),
            user_pool_client=client,
            password_auth=password_auth,
        )

    @property
    def region(self) -> str:
        """Region of the user pool, which may be another one than that of the service.

        The id of a pool begins with it. Of one that is made with the service only its stack knows it.
        """
        pool_id = self.user_pool.user_pool_id
        return pool_id.rpartition("_")[0] if is_known(pool_id) else self.user_pool.env.region

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Tell the api function, or one of your own, the ids of the pool and of its client."""
        pool, client = self.user_pool.user_pool_id, self.user_pool_client.user_pool_client_id
        function = functions if is_own_function(functions) else functions.api
        check_region_is_known(
            "user_pool", self.user_pool, function, hint="or import it: Identity.from_user_pool_id(...)"
        )
        if is_own_function(functions):
            own = own_function(self, functions)
            own.set_variable(Env.COGNITO_USER_POOL_ID, pool)
            own.set_variable(Env.COGNITO_USER_POOL_CLIENT_ID, client)
            return
        functions.set_variable(Env.COGNITO_USER_POOL_ID, pool, functions.api)
        functions.set_variable(Env.COGNITO_USER_POOL_CLIENT_ID, client, functions.api)

    def _user_pool(
        self, mfa: cognito.Mfa, password_min_length: int, removal_policy: RemovalPolicy, *, self_sign_up: bool
    ) -> cognito.UserPool:
        second_factor = cognito.MfaSecondFactor(otp=True, sms=False)
        pool = cognito.UserPool(
            self,
            "UserPool",
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            self_sign_up_enabled=self_sign_up,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            custom_attributes={
                _TENANT: cognito.StringAttribute(max_len=50, mutable=True),
                _ROLES: cognito.StringAttribute(max_len=2048, mutable=True),
            },
            mfa=mfa,
            mfa_second_factor=second_factor if mfa is not cognito.Mfa.OFF else None,
            password_policy=cognito.PasswordPolicy(
                min_length=password_min_length,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
                temp_password_validity=Duration.days(3),
            ),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            deletion_protection=removal_policy is RemovalPolicy.RETAIN,
            removal_policy=removal_policy,
        )
        acknowledge(
            pool,
            "a prop decides whether users must have a second factor; an authenticator app is offered",
            "AwsSolutions-COG2",
        )
        acknowledge(
            pool,
            "threat protection is billed per user: a team opts in on the pool, a public child",
            "AwsSolutions-COG8",
        )
        let_protection_follow(
            self,
            pool,
            removal_policy,
            warning="cqrs:destroyableUsers",
            message="the users are deleted with the stack",
        )
        return pool


_PROFILE: Final = {
    "fullname": True,
    "given_name": True,
    "family_name": True,
    "locale": True,
    "timezone": True,
    "preferred_username": True,
}


def _own_attributes() -> cognito.ClientAttributes:
    """What users may change about themselves: neither tenant nor roles."""
    return cognito.ClientAttributes().with_standard_attributes(email=True, **_PROFILE)
