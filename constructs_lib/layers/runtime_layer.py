"""The Lambda layer with the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.functions.python_runtime import default_python_runtime
from constructs_lib.layers.bundling import bundled_layer
from constructs_lib.layers.layer_contents import LayerContents, runtime_package
from constructs_lib.props.checks import check_pattern, check_removal_policy
from constructs_lib.props.strict_props import strict_props

__all__ = ["RuntimeLayer"]

_HERE: Final = Path(__file__).parent
_LAYER_ARN: Final = r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+:\d+"


class RuntimeLayer(Construct):
    """A Lambda layer with the package ``runtime``, what it needs, and bytecode of both.

    It is built on the machine that synthesizes, with uv and without Docker, from a lock
    file that comes with the constructs: each package is checked against its hash. The
    first build needs the network, later ones take the packages from the user's cache
    folder (``CDK_CQRS_CACHE`` chooses another). The asset's hash is the same on every
    machine, so nothing is deployed again without a reason.

    Example:
        >>> layer = RuntimeLayer(self, "Runtime")
        >>> function = lambda_.Function(self, "Worker", layers=[layer.layer_version], ...)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        architecture: Processor of the functions that use the layer. Defaults to ARM64.
        python_runtime: Python of the functions that use the layer. Defaults to the Python
            that synthesizes: what is tested is what is deployed.
        pin_boto3: Whether the AWS SDK is part of the layer, at the version of the lock
            file, 27 MB more. By default the functions use the one that Lambda brings.
        removal_policy: What happens to a version of the layer that is replaced. Functions that
            use it keep working in both cases; RETAIN lets other stacks go on using it. Defaults
            to DESTROY.

    Raises:
        InvalidPropsError: ``python_runtime`` is not Python 3.11 or newer.
        BundlingError: The layer cannot be built; uv's own words are in the message.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        python_runtime: lambda_.Runtime | None = None,
        pin_boto3: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> None:
        super().__init__(scope, construct_id)
        check_removal_policy("removal_policy", removal_policy)
        contents = LayerContents(
            requirements=_HERE / f"runtime-requirements{'-boto3' if pin_boto3 else ''}.txt",
            architecture=architecture,
            python_runtime=python_runtime or default_python_runtime(),
            package=runtime_package(),
        )
        self.layer_version = bundled_layer(
            self,
            "Layer",
            contents,
            description=f"cdk-cqrs runtime, Python {contents.python_version}, {architecture.name}",
            removal_policy=removal_policy,
        )

    @staticmethod
    def from_arn(scope: Construct, construct_id: str, arn: str) -> lambda_.ILayerVersion:
        """Use a version of the layer that was deployed elsewhere.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            arn: The layer's ARN, with its version.

        Raises:
            InvalidPropsError: ``arn`` is not the ARN of a version of a layer.

        """
        check_pattern("arn", arn, _LAYER_ARN, hint="it ends in the layer's version, such as ':layer:cqrs:7'")
        return lambda_.LayerVersion.from_layer_version_arn(scope, construct_id, arn)
