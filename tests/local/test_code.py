"""What a change of a file is: new code for functions, or a deployment."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_lambda as lambda_

from constructs_lib.local.code.changes import changes_in
from constructs_lib.local.code.code_assets import Code, CodeAsset, code_assets, functions_of
from constructs_lib.local.code.code_swap import affected, put_back, swap
from constructs_lib.local.code.tree import files_in, folders_below
from constructs_lib.local.errors import WatchMissingError
from tests.support.functions import ROLE, archive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

ANSWER = "def handler(event, context): return {answer!r}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose folders of code are copied once, twice, to a nested stack or a layer; synthesized."""
    root = tmp_path_factory.mktemp("project")
    for name in (
        "shop/main.py",
        "shop/parts/deep.py",
        "shop/data.json",
        "shop/left_out.txt",
        "nested/main.py",
        "twice/main.py",
        "twice/left_out.txt",
        "cached/main.py",
        "cached/__pycache__/main.pyc",
        "inner/main.py",
        "inner/left_out.txt",
        "layer/python/common.py",
        "layer/python/left_out.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(ANSWER.format(answer=name) if name.endswith("py") else "{}")
    (root / "app.py").touch()
    (root / ".venv").mkdir()
    app = App(
        outdir=str(root / "cdk.out"),
        context={"aws:cdk:enable-asset-metadata": True},
        builtin_cloud_formation_validation=False,
    )
    stack = Stack(app, "Shop", stack_name="the-shop")
    nested = NestedStack(stack, "Nested")
    left_out = ["left_out.txt"]
    for scope, name, folder, exclude in (
        (stack, "Api", "shop", left_out),
        (stack, "Worker", "shop", left_out),
        (stack, "Other", "nested", left_out),
        (nested, "Inner", "nested", left_out),
        (stack, "Twice", "twice", left_out),
        (stack, "AllOfTwice", "twice", []),
        (stack, "Cached", "cached", ["__pycache__"]),
        (stack, "AllOfCached", "cached", []),
        (stack, "Outer", "inner", left_out),
        (nested, "AllOfInner", "inner", []),
        (stack, "Layered", "layer/python", left_out),
    ):
        lambda_.Function(
            scope,
            name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="main.handler",
            code=lambda_.Code.from_asset(str(root / folder), exclude=exclude),
        )
    lambda_.LayerVersion(stack, "Layer", code=lambda_.Code.from_asset(str(root / "layer")))
    app.synth()
    return root


def assets_of(project: Path) -> Code:
    return code_assets(project / "cdk.out", list(files_in(folders_below(project))))


def shop_of(project: Path) -> list[CodeAsset]:
    """What is copied of `shop`, or of a copy of it."""
    return [asset for asset in assets_of(project).assets if Path("parts/deep.py") in asset.files]


def test_the_source_of_code_is_found_by_its_content(project: Path) -> None:
    (asset,) = shop_of(project)
    assert asset.source == project / "shop"
    assert asset.files == {Path("main.py"), Path("parts/deep.py"), Path("data.json")}
    assert [stack for stack, _ in asset.functions] == ["the-shop", "the-shop"]
    assert sorted(logical[:3] for _, logical in asset.functions) == ["Api", "Wor"]


@pytest.mark.parametrize(
    ("names", "is_code"),
    [
        (["shop/main.py"], True),
        (["shop/main.py", "shop/parts/deep.py"], True),
        (["shop/main.py", "app.py"], False),
        (["app.py"], False),
        (["shop/data.json"], False),
        (["shop/left_out.txt"], False),
        (["shop/gone.py"], False),
        (["nested/main.py"], False),
        (["cached/main.py"], False),
        (["inner/main.py"], False),
        (["layer/python/common.py"], False),
    ],
)
def test_only_python_that_was_deployed_is_served_at_once(
    project: Path, names: list[str], *, is_code: bool
) -> None:
    found = affected(assets_of(project), [project / name for name in names])
    assert (found is not None) is is_code


def test_all_that_was_copied_of_a_file_is_served(project: Path) -> None:
    found = affected(assets_of(project), [project / "twice" / "main.py"])
    assert found is not None
    functions = [logical for asset in found for _, logical in asset.functions]
    assert sorted(logical[:5] for logical in functions) == ["AllOf", "Twice"]


def test_code_that_two_folders_have_is_left_to_a_deployment(project: Path) -> None:
    copy = project / "copy"
    for name in ("main.py", "parts/deep.py", "data.json"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((project / "shop" / name).read_bytes())
    assert shop_of(project) == []
    (copy / "main.py").write_text("another = 1")
    assert [asset.source for asset in shop_of(project)] == [project / "shop"]


@pytest.fixture
def deployed(emulator: Emulator, project: Path) -> Iterator[list[str]]:
    """Names of the functions that run `shop`, which are deployed as the assembly says."""
    bucket = f"cdk-hnb659fds-assets-{emulator.account}-{emulator.region}"
    s3, client = emulator.client("s3"), emulator.client("cloudformation")
    # The bucket of the CDK's bootstrap, which refuses to make it where it is there.
    is_bootstrapped = bucket in [known["Name"] for known in s3.list_buckets()["Buckets"]]
    if not is_bootstrapped:
        s3.create_bucket(Bucket=bucket)
    resources = {}
    for function in functions_of(project / "cdk.out"):
        if function.asset == shop_of(project)[0].staged:
            code = archive({"main.py": ANSWER.format(answer="deployed")})
            s3.put_object(Bucket=bucket, Key=function.code["S3Key"], Body=code)
            resources[function.logical_id] = {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": function.code, "Handler": "main.handler", "Runtime": "python3.13", "Role": ROLE,
                },
            }  # fmt: skip
    client.create_stack(StackName="the-shop", TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName="the-shop", WaiterConfig={"Delay": 1})
    found = client.describe_stack_resources(StackName="the-shop")["StackResources"]
    yield [resource["PhysicalResourceId"] for resource in found]
    client.delete_stack(StackName="the-shop")
    if not is_bootstrapped:
        for known in s3.list_objects_v2(Bucket=bucket)["Contents"]:
            s3.delete_object(Bucket=bucket, Key=known["Key"])
        s3.delete_bucket(Bucket=bucket)


def test_functions_get_the_code_as_it_is_and_a_deployment_takes_it_back(
    emulator: Emulator, project: Path, deployed: list[str], tmp_path: Path
) -> None:
    main = project / "shop" / "main.py"
    (asset,) = shop_of(project)

    def answers() -> set[str]:
        client = emulator.client("lambda")
        return {json.loads(client.invoke(FunctionName=name)["Payload"].read()) for name in deployed}

    assert answers() == {"deployed"}
    main.write_text(ANSWER.format(answer="new"))
    os.utime(main, (0, 0))  # before the first year of an archive
    assert len(swap(emulator, [asset])) == 2
    assert answers() == {"new"}

    main.write_text("def handler(")
    with pytest.raises(SyntaxError):
        swap(emulator, [asset])
    main.unlink()
    with pytest.raises(FileNotFoundError):
        swap(emulator, [asset])
    assert answers() == {"new"}
    main.write_text(ANSWER.format(answer="shop/main.py"))

    # Of an assembly only some stacks may have been deployed, or of another one: then it stays.
    staged = asset.staged.name.removeprefix("asset.")
    other = assembly_with(project, tmp_path / "other", staged, staged[::-1])
    put_back(emulator, other)
    assert answers() == {"new"}

    put_back(emulator, project / "cdk.out")
    assert answers() == {"shop/main.py"}
    client = emulator.client("lambda")
    client.update_function_code(
        FunctionName=deployed[0], ZipFile=archive({"main.py": ANSWER.format(answer=1)})
    )
    put_back(emulator, project / "cdk.out")  # nothing was swapped since
    assert answers() == {1, "shop/main.py"}

    # What was deployed may be an archive by itself.
    swap(emulator, [asset])
    zipped = assembly_with(project, tmp_path / "zipped", f'"asset.{staged}"', f'"asset.{staged}.zip"')
    (zipped / f"asset.{staged}.zip").write_bytes(archive({"main.py": ANSWER.format(answer="zipped")}))
    put_back(emulator, zipped)
    assert answers() == {"zipped"}


def test_an_alias_goes_on_to_the_code_that_is_served(
    emulator: Emulator, project: Path, deployed: list[str]
) -> None:
    """As that of a function which starts from a snapshot: the HTTP API calls the alias."""
    client, name = emulator.client("lambda"), deployed[0]
    assets = shop_of(project)
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def answer() -> Any:
        return json.loads(client.invoke(FunctionName=name, Qualifier="live")["Payload"].read())

    assert answer() == "deployed"
    (project / "shop" / "main.py").write_text(ANSWER.format(answer="new"))
    swap(emulator, assets)
    assert answer() == "new"
    put_back(emulator, project / "cdk.out")
    assert answer() == "shop/main.py"


def assembly_with(project: Path, folder: Path, old: str, new: str) -> Path:
    """The assembly with another text in its templates and manifests; folders of code keep their names."""
    shutil.copytree(project / "cdk.out", folder)
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace(old, new))
    return folder


def test_a_change_is_seen_whenever_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    changes = changes_in([tmp_path])
    assert next(changes) == set()

    (tmp_path / "service" / "main.py").write_text("1")
    (tmp_path / "service" / "README.md").write_text("1")
    (tmp_path / "tests").mkdir()
    assert next_of(changes) - {tmp_path / "tests"} == {tmp_path / "service" / "main.py"}

    # A folder that is new: what was in it before it was seen counts, too.
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "deep" / "new.py").write_text("1")
    new = tmp_path / "more" / "deep" / "new.py"
    assert any(new in found for found in (next_of(changes) for _ in range(3)))
    new.write_text("2")
    assert next_of(changes) == {new}


def test_a_folder_that_goes_before_it_is_watched_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = iter([[tmp_path, tmp_path / "gone"]])
    monkeypatch.setattr(
        "constructs_lib.local.code.changes.folders_below", lambda root: next(listed, folders_below(root))
    )
    changes = changes_in([tmp_path])
    assert next(changes) == set()
    (tmp_path / "main.py").touch()
    assert next_of(changes) == {tmp_path / "main.py"}
    (tmp_path / "file").touch()
    assert list(files_in([tmp_path / "gone", tmp_path / "file"])) == []  # it was a folder before


def test_a_watch_without_the_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(WatchMissingError, match=r"run `pip install 'cdk-cqrs\[local\]'`"):
        next(changes_in([tmp_path]))


def next_of(changes: Iterator[set[Path]]) -> set[Path]:
    """The next that is not empty."""
    return next(found for found, _ in zip(changes, range(100), strict=False) if found)
