from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

PERIOD = 300


class Watched:
    """A metric of one module, with an alarm."""

    def __init__(self, emulator: Emulator, **alarm: Any) -> None:
        self._cloudwatch = emulator.client("cloudwatch")
        self._name = f"a{uuid.uuid4().hex}"
        self._cloudwatch.put_metric_alarm(
            AlarmName=self._name,
            Namespace=self._name,
            MetricName="Failures",
            Dimensions=[{"Name": "module", "Value": "order"}],
            **{
                "Statistic": "Sum",
                "Period": PERIOD,
                "EvaluationPeriods": 1,
                "Threshold": 2,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                **alarm,
            },
        )

    def put(self, value: float, *, module: str = "order", periods_ago: int = 0) -> str:
        """Write one value; the state of the alarm after that."""
        ago = timedelta(seconds=PERIOD * periods_ago + PERIOD / 2)
        self._cloudwatch.put_metric_data(
            Namespace=self._name,
            MetricData=[
                {
                    "MetricName": "Failures",
                    "Dimensions": [{"Name": "module", "Value": module}],
                    "Timestamp": datetime.now(UTC) - ago,
                    "Value": value,
                }
            ],
        )
        (alarm,) = self._cloudwatch.describe_alarms(AlarmNames=[self._name])["MetricAlarms"]
        return str(alarm["StateValue"])


def test_an_alarm_is_about_the_dimensions_that_it_names(emulator: Emulator) -> None:
    watched = Watched(emulator)
    assert watched.put(9, module="invoice") == "INSUFFICIENT_DATA"
    assert watched.put(1) == "OK"
    assert watched.put(1) == "ALARM"


def test_so_many_periods_have_to_breach(emulator: Emulator) -> None:
    watched = Watched(emulator, EvaluationPeriods=3, DatapointsToAlarm=2)
    assert watched.put(9, periods_ago=3) == "INSUFFICIENT_DATA"
    assert watched.put(9, periods_ago=2) == "OK"
    assert watched.put(9) == "ALARM"


@pytest.mark.parametrize(("treated", "state"), [("notBreaching", "OK"), ("breaching", "ALARM")])
def test_a_period_without_data_counts_as_the_alarm_says(emulator: Emulator, treated: str, state: str) -> None:
    watched = Watched(emulator, EvaluationPeriods=2, TreatMissingData=treated)
    assert watched.put(9) == state


def test_gap_stock_takes_the_metrics_of_others_for_the_alarms_own(stock: Emulator) -> None:
    assert Watched(stock).put(9, module="invoice") == "ALARM"


def test_gap_stock_makes_one_period_of_all(stock: Emulator) -> None:
    watched = Watched(stock, EvaluationPeriods=2)
    assert watched.put(2) == "ALARM"
