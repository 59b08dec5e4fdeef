from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass

import pytest
from constructs import Construct

import constructs_lib

CONSTRUCTS = [
    value
    for name in constructs_lib.__all__
    if inspect.isclass(value := getattr(constructs_lib, name)) and issubclass(value, Construct)
]
#: What takes props: the constructs, and the groups of options.
PROPS = {
    name: value.__init__
    for name in constructs_lib.__all__
    if inspect.isclass(value := getattr(constructs_lib, name))
    and (issubclass(value, Construct) or is_dataclass(value))
}


def test_the_public_names_are_a_contract() -> None:
    assert constructs_lib.__all__ == [
        "AlarmThresholds",
        "AttributesBucket",
        "AttributesBucketGrants",
        "BundlingError",
        "CodeCheck",
        "CommandWorkflow",
        "CommandWorkflowGrants",
        "ConstructError",
        "CqrsApi",
        "CqrsFunction",
        "CqrsFunctions",
        "CqrsModule",
        "CqrsMonitoring",
        "CqrsStack",
        "CqrsTable",
        "CqrsTableGrants",
        "DataAccess",
        "DependenciesLayer",
        "EventModule",
        "EventProcessing",
        "EventStoreTable",
        "EventStoreTableGrants",
        "FailedRecords",
        "FailedRecordsGrants",
        "FunctionDefaults",
        "FunctionOptions",
        "Healing",
        "Identity",
        "InvalidPropsError",
        "MasterDataTable",
        "MasterDataTableGrants",
        "Notifications",
        "NotificationsGrants",
        "Part",
        "Processing",
        "RealtimeApi",
        "RealtimeApiGrants",
        "RetainedData",
        "RetryPolicy",
        "RuntimeLayer",
        "Sequences",
        "SequencesGrants",
        "ServiceFunctions",
        "SessionTable",
        "SessionTableGrants",
        "StreamProcessing",
        "TableOptions",
        "TenantSessions",
        "WorkflowType",
        "modules_of",
    ]


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_props_are_keywords_and_each_is_documented(construct: type[Construct]) -> None:
    parameters = list(inspect.signature(construct.__init__).parameters.values())[1:]
    assert [parameter.name for parameter in parameters[:2]] == ["scope", "construct_id"]
    text = inspect.getdoc(construct) or ""
    assert "Example:" in text
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter.name
        assert f"\n    {parameter.name}: " in text, parameter.name


@pytest.mark.parametrize("name", sorted([*PROPS]))
def test_each_prop_that_may_be_left_out_says_its_default(name: str) -> None:
    text = inspect.getdoc(getattr(constructs_lib, name)) or ""
    for parameter in inspect.signature(PROPS[name]).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            # From the name of the prop to that of the next one, or to an empty line.
            (entry,) = re.findall(rf"\n    {parameter.name}: (.*?)(?=\n    \w+: |\n\n|\Z)", text, re.DOTALL)
            assert "efault" in entry, parameter.name
