"""What a product is."""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated

from pydantic import Field, StringConstraints

from runtime import CqrsModel

__all__ = ["CODE", "Code", "Line", "ProductAttributes", "ProductSpecification"]

#: What codes look like.
CODE = r"^[A-Za-z0-9_-]{1,64}$"

Code = Annotated[str, StringConstraints(pattern=CODE)]

#: One line of text: no control characters, which PostgreSQL would not take either.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
#: Several lines, without the one character that PostgreSQL does not take.
Lines = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]


class ProductSpecification(CqrsModel):
    """What a product measures.

    Attributes:
        weight: With its unit, such as ``1.2 kg``.
        dimensions: With their unit, such as ``30 x 20 x 10 cm``.
    """

    weight: Line | None = None
    dimensions: Line | None = None


class ProductAttributes(CqrsModel):
    """The fields of a product that are its own. Its name is the command's.

    Attributes:
        category: What kind of thing it is: the code of a row of the table of categories.
        price: At least 0, with two decimal places at most.
        description: A text for the customer.
        specification: What it measures.
    """

    category: Code | None = None
    price: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=2)
    description: Lines | None = None
    specification: ProductSpecification | None = None
