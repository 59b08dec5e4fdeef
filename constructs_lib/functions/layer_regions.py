"""Layers that Lambda would refuse: a function takes those of its own Region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Arn, ArnFormat

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import check_environment, is_made_here, stack_of
from constructs_lib.props.lookups import is_known
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

__all__ = ["check_layer_regions"]

_HINT: Final = "publish the layer there, too, or let each stack make its own RuntimeLayer"


def check_layer_regions(function: Construct, layers: Sequence[lambda_.ILayerVersion]) -> None:
    """Refuse layers of another Region than that of ``function``, where both are known.

    Raises:
        InvalidPropsError: A layer is of another Region, or made in another account.

    """
    here = stack_of(function).region
    for layer in layers:
        if is_made_here(layer):
            check_environment("layers", layer, function, hint=_HINT)
            continue  # of the Region of its own stack, which that has compared
        there = _region_of(layer)
        if there != here and not is_unresolved(here) and not is_unresolved(there):
            msg = (
                f"layers must be of the function's Region, {here}, got {layer.node.path} of {there}; {_HINT}"
            )
            raise InvalidPropsError(msg)


def _region_of(layer: lambda_.ILayerVersion) -> str:
    """That of the ARN where it is written out: CDK takes an imported layer to be where it is imported."""
    arn = layer.layer_version_arn
    if not is_known(arn):
        return layer.env.region
    return Arn.split(arn, ArnFormat.COLON_RESOURCE_NAME).region or layer.env.region
