"""List prices in US dollars, by the unit that AWS bills; free tiers and discounts are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ALARM",
    "API_REQUEST",
    "DASHBOARD",
    "DATE",
    "EXPRESS_DURATION",
    "EXPRESS_REQUEST",
    "KEY",
    "LAMBDA_DURATION",
    "LAMBDA_REQUEST",
    "LOG",
    "METRIC",
    "OBJECT_GET",
    "OBJECT_PUT",
    "OBJECT_STORAGE",
    "QUEUE_REQUEST",
    "READ_UNIT",
    "REGION",
    "SNAPSHOT",
    "SNAPSHOT_RESTORE",
    "TABLE_BACKUP",
    "TABLE_STORAGE",
    "TOPIC_REQUEST",
    "TRACE",
    "TRANSITION",
    "USER",
    "WRITE_UNIT",
    "Price",
]

REGION: Final = "us-east-1"
DATE: Final = "November 2026"

_MILLION: Final = 1_000_000
_TB: Final = 1024.0  # GB


@dataclass(frozen=True, slots=True)
class Price:
    """What AWS takes for something in a month.

    Attributes:
        each: Dollars of one unit.
        cheaper: Beyond so many units a month, what each further one costs: amounts and dollars, in order.
    """

    each: float
    cheaper: tuple[tuple[float, float], ...] = ()

    def of(self, units: float) -> float:
        """Dollars of so many units in a month."""
        dollars, begin, each = 0.0, 0.0, self.each
        for end, next_each in self.cheaper:
            dollars += max(0.0, min(units, end) - begin) * each
            begin, each = end, next_each
        return dollars + max(0.0, units - begin) * each


#: Step Functions: one state that a standard execution enters, its start among them.
TRANSITION: Final = Price(25 / _MILLION)
EXPRESS_REQUEST: Final = Price(1 / _MILLION)
#: A GB and second of express executions; tiers of 1 000 and 5 000 GB and hours.
EXPRESS_DURATION: Final = Price(0.00001667, ((1_000 * 3600.0, 0.00000833), (5_000 * 3600.0, 0.00000456)))
#: DynamoDB on demand.
WRITE_UNIT: Final = Price(0.625 / _MILLION)
READ_UNIT: Final = Price(0.125 / _MILLION)
#: A GB and month, and the same of backups for the point in time.
TABLE_STORAGE: Final = Price(0.25)
TABLE_BACKUP: Final = Price(0.20)
#: HTTP API, requests of up to 512 KB.
API_REQUEST: Final = Price(1 / _MILLION, ((300.0 * _MILLION, 0.90 / _MILLION),))
LAMBDA_REQUEST: Final = Price(0.20 / _MILLION)
#: A GB and second on ARM64.
LAMBDA_DURATION: Final = Price(0.0000133334, ((7.5e9, 0.0000120001), (18.75e9, 0.0000106667)))
#: SnapStart: a GB and second that a version has a snapshot, and a GB that is restored.
SNAPSHOT: Final = Price(0.0000015046)
SNAPSHOT_RESTORE: Final = Price(0.0001397998)
TOPIC_REQUEST: Final = Price(0.50 / _MILLION)
QUEUE_REQUEST: Final = Price(
    0.40 / _MILLION, ((100_000.0 * _MILLION, 0.30 / _MILLION), (200_000.0 * _MILLION, 0.24 / _MILLION))
)
#: A GB that Lambda, API Gateway and Step Functions write into CloudWatch Logs.
LOG: Final = Price(0.50, ((10 * _TB, 0.25), (30 * _TB, 0.10), (50 * _TB, 0.05)))
#: X-Ray: a trace that is recorded.
TRACE: Final = Price(5 / _MILLION)
OBJECT_PUT: Final = Price(5 / _MILLION)
OBJECT_GET: Final = Price(0.4 / _MILLION)
#: A GB and month in S3.
OBJECT_STORAGE: Final = Price(0.023, ((50 * _TB, 0.022), (500 * _TB, 0.021)))
#: Cognito, tier Essentials: a user who signs in during the month.
USER: Final = Price(0.015)
#: CloudWatch, a month of each.
ALARM: Final = Price(0.10)
DASHBOARD: Final = Price(3.0)
METRIC: Final = Price(0.30, ((10_000.0, 0.10), (250_000.0, 0.05), (1_000_000.0, 0.02)))
#: KMS: a customer managed key for a month.
KEY: Final = Price(1.0)
