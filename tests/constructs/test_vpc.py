"""Functions in a VPC: which, in which subnets, behind which groups, and what they reach from there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsFunction,
    CqrsFunctions,
    CqrsTable,
    EventProcessing,
    EventStoreTable,
    FunctionDefaults,
    FunctionOptions,
    Identity,
    InvalidPropsError,
    Notifications,
    Processing,
    RealtimeApi,
    StreamProcessing,
)
from tests.constructs.conftest import new_app
from tests.constructs.functions import CODE, new_function
from tests.constructs.test_connecting import said

if TYPE_CHECKING:
    from constructs import Construct

KINDS = ("Api", "Stream", "Worker", "Notifier", "Operator")
WITH_EGRESS = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
ISOLATED = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
PUBLIC = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)


def imported(scope: Construct, name: str = "Theirs") -> ec2.IVpc:
    """A VPC with subnets of each kind, two of each."""
    return ec2.Vpc.from_vpc_attributes(
        scope,
        name,
        vpc_id=f"vpc-{name}",
        availability_zones=["eu-west-1a", "eu-west-1b"],
        public_subnet_ids=[f"public-{name}-a", f"public-{name}-b"],
        private_subnet_ids=[f"private-{name}-a", f"private-{name}-b"],
        private_subnet_route_table_ids=["rtb-a", "rtb-b"],
        isolated_subnet_ids=[f"isolated-{name}-a", f"isolated-{name}-b"],
        isolated_subnet_route_table_ids=["rtb-c", "rtb-d"],
    )


def functions(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    return CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop", **props)


def networks(stack: cdk.Stack) -> dict[str, Any]:
    """Where each function runs; None outside of a VPC."""
    found = Template.from_stack(stack).find_resources("AWS::Lambda::Function").items()
    return {
        kind: function["Properties"].get("VpcConfig")
        for kind in KINDS
        for name, function in found
        if name.startswith(f"Functions{kind}")
    }


def needed(stack: cdk.Stack) -> dict[str, list[str]]:
    """The endpoints that are missing, by the function that is warned of."""
    messages = cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).messages
    return {
        message.id.split("/")[-2]: text.partition(" for ")[2].partition(". Add")[0].split(", ")
        for message in messages
        if "[ack: cqrs:vpcEndpoints]" in (text := str(message.entry.data))
    }


def test_all_functions_are_in_the_vpc_but_for_those_that_say_otherwise(stack: cdk.Stack) -> None:
    vpc, other = imported(stack), imported(stack, "Other")
    group = ec2.SecurityGroup(stack, "Group", vpc=vpc)
    functions(
        stack,
        vpc=vpc,
        security_groups=[group],
        stream=FunctionOptions(vpc_subnets=ISOLATED),
        worker=FunctionOptions(security_groups=[ec2.SecurityGroup(stack, "Own", vpc=vpc)]),
        notifier=FunctionOptions(vpc=False),
        operator=FunctionOptions(vpc=other),
    )
    found = networks(stack)
    subnets = {kind: config and config["SubnetIds"] for kind, config in found.items()}
    private = ["private-Theirs-a", "private-Theirs-b"]
    assert subnets == {
        "Api": private,
        "Stream": ["isolated-Theirs-a", "isolated-Theirs-b"],
        "Worker": private,
        "Notifier": None,
        "Operator": ["private-Other-a", "private-Other-b"],
    }
    groups = {kind: json.dumps(config and config["SecurityGroupIds"]) for kind, config in found.items()}
    assert groups["Api"] == groups["Stream"]
    for kind, name in {"Api": "Group", "Worker": "Own", "Operator": "FunctionsOperatorFunction"}.items():
        assert f'"{name}' in groups[kind]


def test_the_defaults_may_say_where_functions_run(stack: cdk.Stack) -> None:
    vpc = imported(stack)
    defaults = FunctionDefaults(vpc=vpc, vpc_subnets=ISOLATED)
    functions(stack, defaults=defaults, api=FunctionOptions(vpc=vpc))
    CqrsFunction(stack, "Report", code=CODE, handler="index.handler", defaults=defaults, vpc=False)
    subnets = {kind: config["SubnetIds"][0] for kind, config in networks(stack).items()}
    assert subnets == {kind: "private-Theirs-a" if kind == "Api" else "isolated-Theirs-a" for kind in KINDS}
    (report,) = [
        function["Properties"]
        for name, function in Template.from_stack(stack).find_resources("AWS::Lambda::Function").items()
        if name.startswith("Report")
    ]
    assert "VpcConfig" not in report


def test_lambda_may_make_interfaces_and_code_may_not(stack: cdk.Stack) -> None:
    CqrsFunction(stack, "Report", code=CODE, handler="index.handler", vpc=imported(stack))
    template = Template.from_stack(stack)
    (policy,) = template.find_resources("AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    allow, deny = [s for s in statements if "ec2:CreateNetworkInterface" in s["Action"]]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert set(deny["Action"]) < set(allow["Action"])
    assert "Condition" not in allow
    assert list(deny["Condition"]) == ["ArnLike"]
    assert list(deny["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]
    (role,) = template.find_resources("AWS::IAM::Role").values()
    assert "ManagedPolicyArns" not in role["Properties"]
    (function,) = template.find_resources("AWS::Lambda::Function").values()
    # Lambda asks for the rights as it makes the function.
    assert any(name.startswith("ReportRoleDefaultPolicy") for name in function["DependsOn"])


def test_a_database_lets_the_worker_in() -> None:
    app = new_app()
    network, stack = cdk.Stack(app, "Network"), cdk.Stack(app, "Shop")
    vpc = ec2.Vpc(network, "Vpc", max_azs=2)

    def database(scope: Construct) -> rds.DatabaseInstance:
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_16)
        return rds.DatabaseInstance(scope, "Database", engine=engine, vpc=vpc)

    made = functions(stack, worker=FunctionOptions(vpc=vpc), operator=FunctionOptions(vpc=vpc))
    database(stack).connections.allow_default_port_from(made.worker)
    # Of another stack: from the function's side, as its stack may depend on the other one.
    made.operator.connections.allow_to_default_port(database(network))
    assert {kind for kind, config in networks(stack).items() if config} == {"Worker", "Operator"}
    rules = Template.from_stack(stack).find_resources("AWS::EC2::SecurityGroupIngress").values()
    sources = sorted(rule["Properties"]["SourceSecurityGroupId"]["Fn::GetAtt"][0][:17] for rule in rules)
    assert sources == ["FunctionsOperator", "FunctionsWorkerFu"]
    assert needed(stack) == {}


@pytest.mark.parametrize(
    ("operator", "warned"),
    [(None, 1), (FunctionOptions(vpc=False), 0), (FunctionOptions(memory_size=256), 1)],
)
def test_an_operator_that_cannot_reach_what_handlers_reach_is_warned_of(
    stack: cdk.Stack, operator: FunctionOptions | None, warned: int
) -> None:
    vpc = imported(stack)
    functions(stack, worker=FunctionOptions(vpc=vpc), operator=operator)
    mine = new_function(stack, "Mine", vpc=vpc, vpc_subnets=WITH_EGRESS)
    CqrsFunctions(stack, "Others", code=CODE, app_name="others", worker=mine, operator=mine)
    assert len(said(stack, "cqrs:operatorOutsideVpc")) == warned


@pytest.fixture
def everything(stack: cdk.Stack) -> CqrsFunctions:
    """A service in subnets without a way out."""
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=2)
    made = functions(stack, vpc=vpc, tenant_sessions=True, projector=FunctionOptions())
    blog = EventStoreTable(stack, "Blog", handlers=True)
    orders = CqrsTable(stack, "Order", data_sync=True)
    notes = CqrsTable(stack, "Note", processing=Processing.INLINE)
    notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
    realtime = RealtimeApi(stack, "Realtime", identity=Identity(stack, "Identity"))
    workflow = CommandWorkflow(stack, "Workflow", worker=made.worker)
    attributes = AttributesBucket(stack, "Attributes")
    for part in (orders, notes, blog, notifications, attributes, workflow, realtime):
        part.connect(made)
    StreamProcessing(stack, "Orders", table=orders, function=made.stream)
    assert made.projector is not None
    EventProcessing(stack, "Posts", table=blog, function=made.projector)
    notifications.add_consumer(made.notifier)
    return made


def test_the_endpoints_that_each_function_needs_are_said(stack: cdk.Stack, everything: CqrsFunctions) -> None:
    everything.add_secret("DATABASE_SECRET", secretsmanager.Secret(stack, "Secret"))
    # Lambda itself reads the streams and queues, keeps what failed, and writes logs and traces.
    assert needed(stack) == {
        "Api": ["DynamoDb", "S3", "StepFunctions", "Sns", "Sts", "SecretsManager"],
        "Stream": ["DynamoDb", "StepFunctions", "Sns", "SecretsManager"],
        "Worker": ["DynamoDb", "S3", "Sns", "SecretsManager"],
        "Notifier": ["SecretsManager"],
        "Operator": ["DynamoDb", "S3", "StepFunctions", "Sns", "Sqs", "SecretsManager"],
        "Projector": ["DynamoDb", "S3", "Sns", "SecretsManager"],
    }
    (text,) = said(stack, "cqrs:noVpcEndpoint")
    assert "AppSync Events" in text


def test_endpoints_that_are_there_are_not_asked_for(stack: cdk.Stack, everything: CqrsFunctions) -> None:
    secret = secretsmanager.Secret(stack, "Secret")
    secret.grant_read(everything.worker)
    (vpc,) = [child for child in stack.node.children if isinstance(child, ec2.Vpc)]
    vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
    # For other subnets than those of the functions.
    vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3, subnets=[PUBLIC])
    for name, service in {
        "States": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
        "Sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
        "Sts": ec2.InterfaceVpcEndpointAwsService.STS,
        "SyncStates": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS_SYNC,
    }.items():
        ec2.InterfaceVpcEndpoint(stack, name, vpc=vpc, service=service)
    # Its name leads nowhere: the SDK would have to be told another one.
    sns = ec2.InterfaceVpcEndpointAwsService.SNS
    vpc.add_interface_endpoint("Sns", service=sns, private_dns_enabled=False)
    assert needed(stack) == {
        "Api": ["S3", "Sns"],
        "Stream": ["Sns"],
        "Worker": ["S3", "Sns", "SecretsManager"],
        "Operator": ["S3", "Sns"],
        "Projector": ["S3", "Sns"],
    }


def test_private_subnets_without_a_route_have_no_way_out(stack: cdk.Stack) -> None:
    private = ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=1, subnet_configuration=[private])
    report = CqrsFunction(stack, "Report", code=CODE, handler="index.handler", vpc=vpc)
    CqrsTable(stack, "Order").connect(report.function, rights=["read"])
    assert needed(stack) == {"Report": ["DynamoDb"]}


def test_a_route_that_the_app_adds_is_a_way_out(stack: cdk.Stack) -> None:
    """A network account often has the NAT gateways, behind a transit gateway."""
    own = ec2.SubnetConfiguration(name="own", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    vpc, shut = (ec2.Vpc(stack, name, max_azs=2, subnet_configuration=[own]) for name in ("Vpc", "Shut"))
    theirs = imported(stack)
    first, second = vpc.isolated_subnets
    assert isinstance(first, ec2.Subnet)
    first.add_route(
        "Out", router_type=ec2.RouterType.TRANSIT_GATEWAY, router_id="tgw", destination_cidr_block="0.0.0.0/0"
    )
    for name, subnet in {"Second": second, "Imported": theirs.isolated_subnets[0]}.items():
        ec2.CfnRoute(
            stack,
            name,
            route_table_id=subnet.route_table.route_table_id,
            destination_cidr_block="0.0.0.0/0",
            transit_gateway_id="tgw",
        )
    orders = CqrsTable(stack, "Order")
    for name, network, subnet in (
        ("First", vpc, first),
        ("Other", vpc, second),
        ("Without", shut, shut.isolated_subnets[0]),
        ("Last", theirs, theirs.isolated_subnets[0]),
    ):
        chosen = ec2.SubnetSelection(subnets=[subnet])
        report = CqrsFunction(
            stack, name, code=CODE, handler="index.handler", vpc=network, vpc_subnets=chosen
        )
        orders.connect(report.function, rights=["read"])
    assert needed(stack) == {"Without": ["DynamoDb"]}


def test_an_endpoint_whose_name_leads_nowhere_is_none(stack: cdk.Stack) -> None:
    """DynamoDB and S3 have interface endpoints, too, beside their gateways."""
    vpcs = [ec2.Vpc(stack, f"Vpc{n}", nat_gateways=0, max_azs=1) for n in range(4)]
    for number, vpc in enumerate(vpcs):
        report = CqrsFunction(stack, f"Report{number}", code=CODE, handler="index.handler", vpc=vpc)
        CqrsTable(stack, f"Order{number}").connect(report.function, rights=["read"])
    dynamodb = ec2.InterfaceVpcEndpointAwsService.DYNAMODB
    vpcs[0].add_interface_endpoint("Own", service=dynamodb, private_dns_enabled=True)
    vpcs[1].add_interface_endpoint("Own", service=dynamodb, private_dns_enabled=False)
    inbound = vpcs[2].add_interface_endpoint("Own", service=dynamodb).node.default_child
    assert isinstance(inbound, ec2.CfnVPCEndpoint)
    # For those who ask from outside of the VPC.
    inbound.dns_options = ec2.CfnVPCEndpoint.DnsOptionsSpecificationProperty(
        private_dns_only_for_inbound_resolver_endpoint="OnlyInboundResolver"
    )
    assert needed(stack) == {f"Report{number}": ["DynamoDb"] for number in (1, 2, 3)}


def test_a_vpc_that_is_yet_to_be_looked_up_is_no_trouble() -> None:
    env = cdk.Environment(account="111111111111", region="eu-west-1")
    stack = cdk.Stack(new_app(), "Shop", env=env)
    vpc = ec2.Vpc.from_lookup(stack, "Vpc", vpc_id="vpc-1")
    made = functions(stack, vpc=vpc, vpc_subnets=ISOLATED)
    CqrsTable(stack, "Order").connect(made)
    assert needed(stack) == {}


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"vpc_subnets": ISOLATED}, "vpc_subnets needs vpc, got vpc_subnets without one"),
        ({"security_groups": []}, "security_groups needs vpc"),
        ({"vpc": False, "vpc_subnets": ISOLATED}, "vpc_subnets needs vpc"),
        ({"vpc": True}, "vpc must be a VPC, or False for none, got True"),
        (
            {"vpc": imported, "vpc_subnets": PUBLIC},
            "vpc_subnets must be private or isolated, got public ones",
        ),
        ({"vpc": imported, "security_groups": []}, "security_groups must be from 1 to 5, got 0"),
        (
            {"vpc": imported, "vpc_subnets": ec2.SubnetSelection(subnet_group_name="Data")},
            "vpc_subnets must select subnets of Shop/Theirs, got these: .*no subnet groups with name 'Data'",
        ),
        ({"vpc": "vpc-1"}, "vpc must be an IVpc or True or False, got 'vpc-1'"),
    ],
)
def test_where_no_function_can_be_is_refused(props: dict[str, Any], message: str) -> None:
    stack = cdk.Stack(new_app(), "Shop")
    given = {name: value(stack) if callable(value) else value for name, value in props.items()}
    with pytest.raises(InvalidPropsError, match=message):
        CqrsFunction(stack, "Report", code=CODE, handler="index.handler", **given)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            cdk.Environment(account="111111111111", region="us-east-1"),
            "got There/.* in 111111111111/us-east-1",
        ),
        (
            cdk.Environment(account="222222222222", region="eu-west-1"),
            "got There/.* in 222222222222/eu-west-1",
        ),
        (None, "of a stack with the same env as Here, .*got There/.* in unknown/unknown"),
    ],
)
def test_a_vpc_of_a_stack_elsewhere_is_refused(there: cdk.Environment | None, message: str) -> None:
    app = new_app()
    theirs = cdk.Stack(app, "There", env=there)
    here = cdk.Stack(app, "Here", env=cdk.Environment(account="111111111111", region="eu-west-1"))
    vpc = ec2.Vpc(theirs, "Vpc", max_azs=1)
    with pytest.raises(InvalidPropsError, match=f"vpc must be .*{message}"):
        CqrsFunction(here, "Report", code=CODE, handler="index.handler", vpc=vpc)
    group = ec2.SecurityGroup(theirs, "Group", vpc=vpc)
    with pytest.raises(InvalidPropsError, match=f"security_groups must be .*{message}"):
        CqrsFunction(
            here, "Other", code=CODE, handler="index.handler", vpc=imported(here), security_groups=[group]
        )


def test_a_vpc_that_another_account_shares_is_none_of_its_stacks() -> None:
    app = new_app()
    theirs = cdk.Stack(app, "There", env=cdk.Environment(account="222222222222", region="eu-west-1"))
    here = cdk.Stack(app, "Here", env=cdk.Environment(account="111111111111", region="eu-west-1"))
    vpc = imported(theirs)
    CqrsFunction(here, "Report", code=CODE, handler="index.handler", vpc=vpc)
