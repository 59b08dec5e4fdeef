"""A team's own stack: it brings tables, topic, user pool and function, and uses the constructs on them."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsApi,
    CqrsTable,
    Identity,
    Notifications,
    SessionTable,
    StreamProcessing,
)
from runtime.contract import Env
from tests.constructs.conftest import new_app, permissions, warnings_of
from tests.constructs.functions import new_function


def own_table(scope: cdk.Stack, name: str, *, stream: bool = False) -> dynamodb.TableV2:
    return dynamodb.TableV2(
        scope,
        name,
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="ttl",
        dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE if stream else None,
    )


class Shop(cdk.Stack):
    """One function does everything: this team wants few parts, and says so in code."""

    def __init__(self, app: cdk.App) -> None:
        super().__init__(app, "Shop")
        self.function = new_function(self, "Everything", timeout=cdk.Duration.seconds(20))
        self.topic = sns.Topic(self, "Events")
        self.pool = cognito.UserPool(
            self,
            "People",
            custom_attributes={name: cognito.StringAttribute(mutable=True) for name in ("tenant", "roles")},
        )
        self.orders = CqrsTable(
            self,
            "Orders",
            module_name="order",
            command_table=own_table(self, "OrderCommands", stream=True),
            data_table=own_table(self, "OrderData"),
            history_table=own_table(self, "OrderHistory"),
        )
        self.sessions = SessionTable(self, "Sessions", table=own_table(self, "SessionRows"))
        self.attributes = AttributesBucket(self, "Attributes", bucket=s3.Bucket(self, "Large"))
        self.identity = Identity(self, "Identity", user_pool=self.pool)
        self.notifications = Notifications(
            self, "Notifications", topic=self.topic, alarm_topic=sns.Topic(self, "Alarms")
        )
        self.workflow = CommandWorkflow(self, "Workflow", worker=self.function)
        self.api = CqrsApi(self, "Api", function=self.function, identity=self.identity)
        StreamProcessing(self, "Stream", table=self.orders, function=self.function)
        self.notifications.add_consumer(self.function)

        self.orders.grants.publish(self.function)
        self.orders.grants.apply(self.function)
        self.sessions.grants.track(self.function)
        self.attributes.grants.read_write(self.function)
        self.notifications.grants.publish(self.function)
        self.notifications.grants.raise_alarm(self.function)
        self.function.add_environment(Env.SNS_TOPIC_ARN, self.topic.topic_arn)


@pytest.fixture(params=[True, False], ids=["recommended flags", "no flags"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return Shop(new_app(flags=request.param))


def test_nothing_that_was_brought_is_made_again(shop: Shop) -> None:
    template = Template.from_stack(shop)
    template.resource_count_is("AWS::DynamoDB::GlobalTable", 4)
    template.resource_count_is("AWS::SNS::Topic", 2)
    template.resource_count_is("AWS::Cognito::UserPool", 1)
    template.resource_count_is("AWS::Lambda::Function", 1)
    template.resource_count_is("AWS::S3::Bucket", 2)  # its own, and the one for failed records
    template.resource_count_is("AWS::KMS::Key", 0)
    assert warnings_of(shop) == ["cqrs:noOpenIndex"]


def test_the_parts_are_wired_to_what_was_brought(shop: Shop) -> None:
    template = Template.from_stack(shop)
    (function,) = template.find_resources("AWS::Lambda::Function")
    (pool,) = template.find_resources("AWS::Cognito::UserPool")
    (commands,) = (
        name for name in template.find_resources("AWS::DynamoDB::GlobalTable") if "OrderCommands" in name
    )
    template.has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        {"EventSourceArn": {"Fn::GetAtt": [commands, "StreamArn"]}, "FunctionName": {"Ref": function}},
    )
    template.has_resource_properties("AWS::Cognito::UserPoolClient", {"UserPoolId": {"Ref": pool}})
    template.has_resource_properties(
        "AWS::StepFunctions::StateMachine", {"DefinitionString": {"Fn::Join": Match.any_value()}}
    )
    template.has_resource_properties(
        "AWS::SNS::Subscription",
        {"TopicArn": {"Ref": next(n for n in template.find_resources("AWS::SNS::Topic") if "Events" in n)}},
    )


def test_the_grants_work_on_what_was_brought(shop: Shop) -> None:
    allowed = {name[:-8].strip("<"): actions for name, actions in permissions(shop).items()}
    assert "dynamodb:PutItem" in allowed["OrderData"]
    assert "dynamodb:DeleteItem" in allowed["SessionRows"]
    assert not [actions for actions in allowed.values() if "dynamodb:Scan" in actions]
    assert "sns:Publish" in str(allowed)


def test_a_task_waits_a_little_longer_than_the_brought_function_may_run(shop: Shop) -> None:
    assert '"TimeoutSeconds":25' in str(Template.from_stack(shop).to_json()).replace('\\"', '"')
