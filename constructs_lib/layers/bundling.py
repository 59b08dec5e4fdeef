"""Lambda layers that are built on this machine, as part of synthesis."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsii
from aws_cdk import Annotations, AssetHashType, BundlingOptions, DockerImage, ILocalBundling, Stage
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_s3_assets import Asset

from constructs_lib.errors import BundlingError
from constructs_lib.layers.layer_build import (
    check_unpacked_size,
    compile_bytecode,
    copy_package,
    find_interpreter,
    install_requirements,
)
from constructs_lib.layers.layer_cache import cached, is_as_built, note_built
from constructs_lib.layers.layer_contents import runtime_package
from constructs_lib.props.environments import stack_of

if TYPE_CHECKING:
    from aws_cdk import RemovalPolicy
    from constructs import Construct

    from constructs_lib.layers.layer_contents import LayerContents

__all__ = ["LayerBundling", "bundled_layer"]

# Required by the interface; a build that fails raises instead of starting Docker.
_NO_IMAGE: Final = "never-used"


@jsii.implements(ILocalBundling)
class LayerBundling:
    """Fills the folder of a layer's asset: installed requirements, a package, bytecode."""

    def __init__(self, contents: LayerContents, interpreter: Path | None, asset_hash: str) -> None:
        self._contents = contents
        self._asset_hash = asset_hash
        self._interpreter = interpreter
        self.error: BundlingError | None = None
        self._is_built = False

    def try_bundle(self, output_dir: str, *, image: DockerImage, **_options: Any) -> bool:  # noqa: ANN401, ARG002 - the interface
        """Build the layer into ``output_dir``; CDK calls it. It never asks for Docker.

        Raises:
            BundlingError: The layer cannot be built.

        """
        try:
            self.build(Path(output_dir))
        except BundlingError as error:
            # An error is a mere text once it has passed through CDK: keep it for `bundled_layer`.
            self.error = error
            raise
        return True

    def build(self, output: Path) -> None:
        """Build the layer into ``output``.

        Raises:
            BundlingError: The layer cannot be built.

        """
        installed = cached(f"layer-{self._contents.requirements_hash}-{self._kind}", self._install)
        try:
            shutil.copytree(installed, output, dirs_exist_ok=True)
            if self._contents.package is not None:
                package = copy_package(self._contents.package, output / "python")
                self._compile(package, root=output)
            _let_everyone_read(output)
            note_built(self._asset_key, output)
            self._is_built = True
        except OSError as error:
            msg = f"the layer cannot be written to {output} ({error}); make room or choose another folder"
            raise BundlingError(msg) from error

    def check(self, output: Path) -> None:
        """Build a layer anew that CDK has found in the output folder, unless it was built here.

        Raises:
            BundlingError: The layer cannot be built.

        """
        if not self._is_built and output.is_dir() and not is_as_built(self._asset_key, output):
            shutil.rmtree(output)
            output.mkdir()
            self.build(output)

    @property
    def _asset_key(self) -> str:
        return f"asset-{self._asset_hash}-{self._kind}"

    @property
    def _kind(self) -> str:
        return "source" if self._interpreter is None else "bytecode"

    def _install(self, folder: Path) -> None:
        install_requirements(self._contents, folder / "python")
        self._compile(folder / "python", root=folder)
        check_unpacked_size(folder, self._contents.requirements)

    def _compile(self, folder: Path, *, root: Path) -> None:
        if self._interpreter is not None:
            compile_bytecode(self._interpreter, folder, root=root)


def bundled_layer(
    scope: Construct,
    construct_id: str,
    contents: LayerContents,
    *,
    description: str,
    removal_policy: RemovalPolicy,
) -> lambda_.LayerVersion:
    """Make a layer whose contents are built when, and only when, its stack is bundled.

    Raises:
        BundlingError: The layer cannot be built.

    """
    interpreter = None
    if stack_of(scope).bundling_required:
        interpreter = find_interpreter(contents.python_version)
        if interpreter is None:
            Annotations.of(scope).add_warning_v2(
                "cqrs:noBytecode",
                f"no Python {contents.python_version} was found to compile the layer, so each cold start "
                f"compiles it; install one, for example with 'uv python install {contents.python_version}'",
            )
    asset_hash = contents.asset_hash  # reads every file of the package: once
    bundling = LayerBundling(contents, interpreter, asset_hash)
    try:
        layer = lambda_.LayerVersion(
            scope,
            construct_id,
            # The folder is only where a bundling in Docker would start from.
            code=lambda_.Code.from_asset(
                str(contents.package or runtime_package()),
                asset_hash=asset_hash,
                asset_hash_type=AssetHashType.CUSTOM,
                bundling=BundlingOptions(image=DockerImage(_NO_IMAGE), local=bundling),
            ),
            compatible_runtimes=[contents.python_runtime],
            compatible_architectures=[contents.architecture],
            description=description,
            removal_policy=removal_policy,
        )
    except RuntimeError:
        if bundling.error is not None:
            raise bundling.error from None
        raise
    if stack_of(scope).bundling_required:
        asset = layer.node.find_child("Code")
        if isinstance(asset, Asset):
            bundling.check(Path(Stage.of(scope).asset_outdir) / asset.asset_path)  # type: ignore[union-attr]
    return layer


def _let_everyone_read(folder: Path) -> None:
    """Set the permissions that Lambda needs, whatever the mask of this process is."""
    for path in [folder, *folder.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
