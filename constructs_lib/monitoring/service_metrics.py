"""The metrics that the functions write themselves, as CloudWatch knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib.monitoring.watched import FIVE_MINUTES
from runtime.contract import METRIC_MODULE, METRIC_NAMESPACE, METRIC_SERVICE, NO_MODULE, metric_service

if TYPE_CHECKING:
    from aws_cdk import Duration

__all__ = ["ServiceMetrics"]


class ServiceMetrics:
    """The metrics of the functions of one stage of an app.

    Example:
        >>> ServiceMetrics(app_name="shop", env_name="prod").of_module("CommandsApplied", "order")

    Args:
        app_name: What the functions have as APP_NAME.
        env_name: What the functions have as NODE_ENV.

    """

    def __init__(self, *, app_name: str, env_name: str) -> None:
        self.service = metric_service(env_name, app_name)

    def of_module(
        self, name: str, module: str = NO_MODULE, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Give a metric of one module, over ``period`` (5 minutes).

        Args:
            name: A name of `runtime.contract.Metric`.
            module: The module. Defaults to what belongs to no module.
            statistic: What is made of the values of a period.
            period: Length of a period.

        """
        return cloudwatch.Metric(
            namespace=METRIC_NAMESPACE,
            metric_name=name,
            dimensions_map={METRIC_MODULE: module, METRIC_SERVICE: self.service},
            statistic=statistic,
            period=period or FIVE_MINUTES,
        )
