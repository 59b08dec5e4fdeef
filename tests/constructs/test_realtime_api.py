from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, Identity, InvalidPropsError, RealtimeApi
from constructs_lib.messaging.realtime_handler import subscribe_handler
from runtime.contract import Env
from tests.constructs.conftest import permissions, stable, warnings_of
from tests.constructs.functions import imported_function
from tests.support.appsync import may_subscribe, subscription

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

USERS, SERVICE = [{"AuthType": "AMAZON_COGNITO_USER_POOLS"}], [{"AuthType": "AWS_IAM"}]


def minimal(stack: cdk.Stack, **props: Any) -> RealtimeApi:
    return RealtimeApi(stack, "Realtime", identity=Identity(stack, "Identity"), **props)


def everything(stack: cdk.Stack) -> RealtimeApi:
    made = minimal(stack, namespace="shop", cross_tenant_roles=["support", 'a"b'])
    made.grants.publish(iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    return made


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    minimal(stack)
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == []


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    everything(stack)
    assert stable(stack) == template_snapshot


def test_users_connect_and_subscribe_and_functions_publish(stack: cdk.Stack) -> None:
    made = minimal(stack)
    template = Template.from_stack(stack)
    (api,) = template.find_resources("AWS::AppSync::Api").values()
    config = api["Properties"]["EventConfig"]
    assert config["ConnectionAuthModes"] == config["DefaultSubscribeAuthModes"] == USERS
    assert config["DefaultPublishAuthModes"] == SERVICE
    assert [provider["AuthType"] for provider in config["AuthProviders"]] == [
        "AMAZON_COGNITO_USER_POOLS",
        "AWS_IAM",
    ]
    client = config["AuthProviders"][0]["CognitoConfig"]["AppIdClientRegex"]
    assert client == {"Fn::Join": ["", ["^", {"Ref": client_id(template)}, "$"]]}
    template.has_resource_properties(
        "AWS::AppSync::ChannelNamespace",
        {"Name": "default", "PublishAuthModes": SERVICE, "SubscribeAuthModes": USERS},
    )
    assert made.namespace == "default"


def client_id(template: Template) -> str:
    (name,) = template.find_resources("AWS::Cognito::UserPoolClient")
    return name


def test_there_is_no_api_key(stack: cdk.Stack) -> None:
    everything(stack)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::AppSync::ApiKey", 0)
    assert "API_KEY" not in json.dumps(template.to_json())


def test_a_grant_is_for_publishing_to_the_namespace(stack: cdk.Stack) -> None:
    everything(stack)
    ((resource, actions),) = permissions(stack).items()
    assert re.search(r":apis/RealtimeApi\w+/channelNamespace/shop$", resource)
    assert actions == {"appsync:EventPublish"}


def existing(stack: cdk.Stack, *types: appsync.AppSyncAuthorizationType) -> appsync.IEventApi:
    return appsync.EventApi.from_event_api_attributes(
        stack,
        "Mine",
        api_id="abc",
        http_dns="abc.appsync-api.eu-west-1.amazonaws.com",
        realtime_dns="abc.appsync-realtime-api.eu-west-1.amazonaws.com",
        auth_provider_types=list(types),
    )


def test_an_existing_api_gets_a_namespace(stack: cdk.Stack) -> None:
    kinds = appsync.AppSyncAuthorizationType
    made = RealtimeApi(
        stack, "Realtime", event_api=existing(stack, kinds.IAM, kinds.USER_POOL, kinds.API_KEY)
    )
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::AppSync::Api", 0)
    template.has_resource_properties(
        "AWS::AppSync::ChannelNamespace",
        {"ApiId": "abc", "PublishAuthModes": SERVICE, "SubscribeAuthModes": USERS},
    )
    assert made.http_endpoint == "https://abc.appsync-api.eu-west-1.amazonaws.com/event"
    assert made.websocket_endpoint == "wss://abc.appsync-realtime-api.eu-west-1.amazonaws.com/event/realtime"


def test_an_existing_api_that_lacks_a_way_in_is_refused(stack: cdk.Stack) -> None:
    api = existing(stack, appsync.AppSyncAuthorizationType.API_KEY)
    with pytest.raises(InvalidPropsError, match="got one without IAM and USER_POOL"):
        RealtimeApi(stack, "Realtime", event_api=api)


def test_an_existing_api_has_users_of_its_own(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="identity has no effect on a resource that event_api brings"):
        minimal(stack, event_api=existing(stack))


def test_a_new_api_needs_users(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="identity must be given without event_api"):
        RealtimeApi(stack, "Realtime")


@pytest.mark.parametrize("namespace", ["", "a/b", "-a", "a-", "a_b", "*", "n" * 51])
def test_a_namespace_that_cannot_be_one_is_refused(stack: cdk.Stack, namespace: str) -> None:
    with pytest.raises(InvalidPropsError, match="namespace must match"):
        minimal(stack, namespace=namespace)


# --- The handler, as AppSync runs it ---------------------------------------------------------

ADMIN = '[{"tenant": "", "role": "system_admin"}]'
SUPPORT_OF_GLOBEX = '[{"tenant": "Globex", "role": "system_admin"}, {"tenant": "acme", "role": "user"}]'


ALLOWED = {
    "one's own answer": subscription("/default/acme/command-status/req-1", tenant="acme"),
    "all of one's tenant": subscription("/default/acme/*", tenant="acme"),
    "a claim in capitals": subscription("/default/acme/command-status/req-1", tenant="ACME"),
    "with dashes": subscription("/default/acme-eu/*", tenant="acme-eu"),
    "a role for all, one tenant": subscription("/default/globex/*", tenant="acme", roles=ADMIN),
    "a role for all, all tenants": subscription("/default/*", tenant="acme", roles=ADMIN),
    "a role for all, no tenant of one's own": subscription("/default/globex/*", roles=ADMIN),
    "a role for that tenant": subscription("/default/globex/*", tenant="acme", roles=SUPPORT_OF_GLOBEX),
}
REFUSED = {
    "another tenant": subscription("/default/globex/command-status/req-1", tenant="acme"),
    "all of another tenant": subscription("/default/globex/*", tenant="acme"),
    "all tenants": subscription("/default/*", tenant="acme"),
    "all tenants, one's own below": subscription("/default/*/acme", tenant="acme"),
    "the namespace": subscription("/default", tenant="acme"),
    "one's tenant is the beginning": subscription("/default/acme-eu/*", tenant="acme"),
    "one's tenant is the rest": subscription("/default/acme/*", tenant="acme-eu"),
    "one's tenant one part later": subscription("/default/globex/acme", tenant="acme"),
    "another case": subscription("/default/ACME/*", tenant="acme"),
    "encoded": subscription("/default/%61cme/*", tenant="acme"),
    "a claim that is encoded": subscription("/default/acme/*", tenant="%61cme"),
    "a kelvin sign, whose lower case is a k": subscription("/default/kiwi/*", tenant="\u212aiwi"),
    "a kelvin sign in a role": subscription(
        "/default/kiwi/*", roles='[{"tenant": "\u212aiwi", "role": "system_admin"}]'
    ),
    "letters that look alike": subscription("/default/acme/*", tenant="\u0430cme"),
    "a fullwidth claim": subscription("/default/acme/*", tenant="\uff41\uff43\uff4d\uff45"),
    "a dotless i": subscription("/default/kiwi/*", tenant="k\u0131w\u0131"),
    "a sharp s": subscription("/default/kiss/*", tenant="ki\u00df"),
    "a zero-width space": subscription("/default/acme/*", tenant="acme\u200b"),
    "a space": subscription("/default/acme%20/*", tenant="acme"),
    "no claim": subscription("/default/acme/*"),
    "no claim, no part": subscription("/default//x"),
    "an empty claim": subscription("/default//x", tenant=""),
    "an empty claim, the namespace": subscription("/default", tenant=""),
    "a claim named undefined": subscription("/default", tenant="undefined"),
    "a claim that is the wildcard": subscription("/default/*", tenant="*"),
    "a claim that stands for no tenant": subscription("/default/none/*", tenant="none"),
    "a claim with a path": subscription("/default/acme/x", tenant="acme/x"),
    "a claim that would be rewritten": subscription("/default/a-b/*", tenant="a_b"),
    "a claim that would be cut": subscription(f"/default/{'a' * 50}/*", tenant="a" * 51),
    "a list as claim": subscription("/default/acme/*", tenant=["acme", "globex"]),
    "a role for another tenant": subscription("/default/initech/*", tenant="acme", roles=SUPPORT_OF_GLOBEX),
    "a role for one, all tenants": subscription("/default/*", tenant="acme", roles=SUPPORT_OF_GLOBEX),
    "a role for the wildcard": subscription(
        "/default/*", tenant="acme", roles='[{"tenant": "*", "role": "system_admin"}]'
    ),
    "another role": subscription(
        "/default/globex/*", tenant="acme", roles='[{"tenant": "", "role": "admin"}]'
    ),
    "a role in another case": subscription(
        "/default/globex/*", tenant="acme", roles='[{"tenant": "", "role": "SYSTEM_ADMIN"}]'
    ),
    "the end of a role": subscription("/default/globex/*", roles='[{"role": "admin"}]'),
    "a list of roles in one": subscription("/default/globex/*", roles='[{"role": ["system_admin"]}]'),
    "roles that are no list": subscription("/default/globex/*", roles='{"role": "system_admin"}'),
    "roles that are a text": subscription("/default/globex/*", roles='"system_admin"'),
    "roles that are nothing": subscription("/default/globex/*", roles="null"),
    "malformed roles, one's own tenant": subscription("/default/acme/*", tenant="acme", roles="{["),
    "malformed roles": subscription("/default/globex/*", tenant="acme", roles="{["),
    "a role that is null": subscription("/default/globex/*", roles="[null]"),
    "nobody": {"info": {"channel": {"path": "/default/acme", "segments": ["default", "acme"]}}},
    "a function's role": {
        "identity": {"accountId": "1", "userArn": "arn:aws:iam::1:role/x"},
        "info": {"channel": {"path": "/default/acme", "segments": ["default", "acme"]}},
    },
}


def test_who_may_subscribe_may(tmp_path: Path) -> None:
    answers = dict(zip(ALLOWED, may_subscribe(tmp_path, ALLOWED.values()), strict=True))
    assert [name for name, allowed in answers.items() if not allowed] == []


def test_who_may_not_subscribe_is_refused(tmp_path: Path) -> None:
    answers = dict(zip(REFUSED, may_subscribe(tmp_path, REFUSED.values()), strict=True))
    assert [name for name, allowed in answers.items() if allowed] == []


def test_roles_are_data_and_no_code(tmp_path: Path) -> None:
    role = '"]; return null; //\u2028'
    mine = subscription("/default/globex/*", roles=json.dumps([{"role": role}]))
    other = subscription("/default/globex/*", roles=ADMIN)
    assert may_subscribe(tmp_path, [mine, other], subscribe_handler([role])) == [True, False]


def test_the_handler_uses_what_appsync_has() -> None:
    code = subscribe_handler(["system_admin"])
    words = set(re.findall(r"\w+|=>|\+\+", code.split("'@aws-appsync/utils'")[1]))
    missing = {"while", "do", "try", "throw", "continue", "in", "class", "new", "this", "=>", "++", "replace"}
    assert words & missing == set()
    assert len(code) < 32768


# --- In the stack ---------------------------------------------------------------------------


def shop(app: cdk.App, **props: Any) -> CqrsStack:
    return CqrsStack(
        app,
        "Shop",
        app_name="shop",
        modules=[CqrsModule("order")],
        code=lambda_.Code.from_inline("app = None"),
        handler="index.app",
        alarm_emails=["on-call@example.com"],
        **props,
    )


def notifier(stack: CqrsStack) -> dict[str, Any]:
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    environments = [function["Properties"]["Environment"]["Variables"] for function in functions]
    pushing = [environment for environment in environments if Env.APPSYNC_EVENTS_ENDPOINT in environment]
    (found,) = pushing
    assert found[Env.FUNCTION] == "notifier"
    return dict(found)


def test_a_stack_pushes_on_demand_only(app: cdk.App) -> None:
    stack = shop(app)
    assert stack.realtime is None
    assert "AppSync" not in json.dumps(Template.from_stack(stack).to_json())


def test_only_the_notifier_of_a_stack_publishes(app: cdk.App) -> None:
    stack = shop(app, realtime=True)
    assert "/event" in json.dumps(notifier(stack)[Env.APPSYNC_EVENTS_ENDPOINT])
    assert notifier(stack)[Env.APPSYNC_EVENTS_NAMESPACE] == "default"
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
    publishers = [name for name, policy in policies if "appsync:EventPublish" in json.dumps(policy)]
    assert [name[:17] for name in publishers] == ["FunctionsNotifier"]
    outputs = Template.from_stack(stack).to_json()["Outputs"]
    assert {"RealtimeHttpEndpoint", "RealtimeWebSocketEndpoint"} <= set(outputs)


def test_the_roles_that_cross_tenants_are_those_of_the_functions(app: cdk.App) -> None:
    stack = shop(app, realtime=True, environment={Env.CROSS_TENANT_ROLES: "support, root"})
    (namespace,) = Template.from_stack(stack).find_resources("AWS::AppSync::ChannelNamespace").values()
    assert 'crossTenantRoles = ["support", "root"]' in namespace["Properties"]["CodeHandlers"]


def test_a_stack_takes_the_api_of_another_one(app: cdk.App) -> None:
    shared = cdk.Stack(app, "Shared")
    realtime = minimal(shared, namespace="shop")
    stack = shop(app, realtime=realtime)
    assert stack.realtime is realtime
    assert notifier(stack)[Env.APPSYNC_EVENTS_NAMESPACE] == "shop"
    Template.from_stack(stack).resource_count_is("AWS::AppSync::Api", 0)


def test_a_notifier_that_was_brought_gets_the_permission(app: cdk.App) -> None:
    mine = imported_function(cdk.Stack(app, "Other"), "notifier")
    stack = shop(app, realtime=True, notifier=mine)
    template = Template.from_stack(stack).to_json()
    outputs = template.pop("Outputs")
    (said,) = (output["Value"] for name, output in outputs.items() if "NotifierVariables" in name)
    assert Env.APPSYNC_EVENTS_ENDPOINT in json.dumps(said)
    assert Env.APPSYNC_EVENTS_ENDPOINT not in json.dumps(template)
    assert "appsync:EventPublish" in json.dumps(template)
