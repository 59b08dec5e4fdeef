"""What a deployed `CqrsStack` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput

from constructs_lib.stack.cqrs_stack_props import output_prefix

if TYPE_CHECKING:
    from constructs_lib.stack.cqrs_stack import CqrsStack

__all__ = ["add_outputs"]


def add_outputs(stack: CqrsStack) -> None:
    """Add the outputs that a client, a test or an operator needs to find the service."""
    outputs = {
        "ApiUrl": stack.api.url,
        "UserPoolId": stack.identity.user_pool.user_pool_id,
        "UserPoolClientId": stack.identity.user_pool_client.user_pool_client_id,
        "StateMachineArn": stack.workflow.state_machine.state_machine_arn,
        "TopicArn": stack.notifications.topic.topic_arn,
        "AlarmTopicArn": stack.notifications.alarm_topic.topic_arn,
        "NotificationQueueUrl": stack.notifications.queue.queue_url,
        "OperatorFunctionName": stack.functions.operator.function_name,
        "AttributesBucketName": stack.attributes_bucket.bucket.bucket_name,
    }
    if stack.session_table is not None:
        outputs["SessionTableName"] = stack.session_table.table.table_name
    if stack.master_data_table is not None:
        outputs["MasterDataTableName"] = stack.master_data_table.table.table_name
    if stack.realtime is not None:
        outputs["RealtimeHttpEndpoint"] = stack.realtime.http_endpoint
        outputs["RealtimeWebSocketEndpoint"] = stack.realtime.websocket_endpoint
    for name, table in stack.tables.items():
        prefix = output_prefix(name)
        outputs[f"{prefix}CommandTableName"] = table.command_table.table_name
        outputs[f"{prefix}DataTableName"] = table.data_table.table_name
        outputs[f"{prefix}HistoryTableName"] = table.history_table.table_name
        if table.sync_table is not None:
            outputs[f"{prefix}SyncTableName"] = table.sync_table.table_name
    for name, value in outputs.items():
        CfnOutput(stack, name, value=value)
