"""The numbers of the service: those of orders have no gaps, those of shipments may have some."""

from __future__ import annotations

from typing import Final

from runtime import RotateBy, SequenceModule, Series

__all__ = ["ORDER", "SHIPMENT", "sequences"]

_TIMEZONE: Final = "Asia/Tokyo"

#: An auditor asks where a missing order is, so a number is used up with its order, and never without.
ORDER: Final = "order"
#: A label that was printed and thrown away is no matter. Each warehouse counts for itself.
SHIPMENT: Final = "shipment"

sequences = SequenceModule(
    [
        Series(
            ORDER,
            format="ORD-%%fiscal_year_start%%-%%no#:0>6%%",
            rotate_by=RotateBy.FISCAL_YEARLY,
            fiscal_start=(4, 1),
            timezone=_TIMEZONE,
            gapless=True,
        ),
        Series(
            SHIPMENT,
            format="%%code1%%-%%yy%%%%mm%%-%%no#:0>5%%",
            rotate_by=RotateBy.MONTHLY,
            timezone=_TIMEZONE,
            codes=1,
            roles=["dispatcher"],
        ),
    ]
)
