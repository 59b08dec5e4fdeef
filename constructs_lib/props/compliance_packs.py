"""The findings of cdk-nag's packs for HIPAA, NIST 800-53 and PCI DSS, which share their rules."""

from __future__ import annotations

from typing import Final

__all__ = [
    "IN_ONE_REGION",
    "LOGGING",
    "NO_INLINE",
    "OF_ONE_ROLE",
    "REPLICATION",
    "VERSIONING",
    "of_compliance_packs",
]

NO_INLINE: Final = "IAMNoInlinePolicy"
LOGGING: Final = "S3BucketLoggingEnabled"
REPLICATION: Final = "S3BucketReplicationEnabled"
VERSIONING: Final = "S3BucketVersioningEnabled"

OF_ONE_ROLE: Final = "the policy is of this role only, and goes with it"
IN_ONE_REGION: Final = "S3 keeps each object in three zones; a second Region is for services that run in two"

_PACKS: Final = ("HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321")
#: Rules that PCI DSS has not.
_NOT_OF_PCI: Final = frozenset({"LambdaConcurrency", "LambdaDLQ"})


def of_compliance_packs(rule: str) -> list[str]:
    """Give the ids of the findings of ``rule``, such as "S3BucketLoggingEnabled"."""
    packs = _PACKS[:2] if rule in _NOT_OF_PCI else _PACKS
    return [f"{pack}-{rule}" for pack in packs]
