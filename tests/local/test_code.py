"""What a change of a file is: new code for functions, or a deployment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_lambda as lambda_

from constructs_lib.local.code.changes import changes_in
from constructs_lib.local.code.code_assets import CodeAsset, code_assets
from constructs_lib.local.code.code_swap import affected, put_back, swap
from constructs_lib.local.code.tree import files_in, folders_below
from constructs_lib.local.errors import WatchMissingError
from tests.support.functions import archive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator

ANSWER = "def handler(event, context): return {answer!r}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two folders of code, one of them used by a nested stack as well; synthesized."""
    root = tmp_path_factory.mktemp("project")
    for name in (
        "shop/main.py",
        "shop/parts/deep.py",
        "shop/data.json",
        "shop/left_out.txt",
        "nested/main.py",
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
    for scope, name, folder in (
        (stack, "Api", "shop"),
        (stack, "Worker", "shop"),
        (stack, "Other", "nested"),
        (NestedStack(stack, "Nested"), "Inner", "nested"),
    ):
        lambda_.Function(
            scope,
            name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="main.handler",
            code=lambda_.Code.from_asset(str(root / folder), exclude=["left_out.txt"]),
        )
    app.synth()
    return root


def assets_of(project: Path) -> list[CodeAsset]:
    return code_assets(project / "cdk.out", list(files_in(folders_below(project))))


def test_the_source_of_code_is_found_by_its_content(project: Path) -> None:
    (asset,) = assets_of(project)  # what a nested stack runs is left to a deployment
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
    ],
)
def test_only_python_that_was_deployed_is_served_at_once(
    project: Path, names: list[str], *, is_code: bool
) -> None:
    found = affected(assets_of(project), [project / name for name in names])
    assert (found is not None) is is_code


def test_code_that_two_folders_have_is_left_to_a_deployment(project: Path) -> None:
    copy = project / "copy"
    for name in ("main.py", "parts/deep.py", "data.json"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((project / "shop" / name).read_bytes())
    assert assets_of(project) == []
    (copy / "main.py").write_text("another = 1")
    assert [asset.source for asset in assets_of(project)] == [project / "shop"]


@pytest.fixture
def deployed(emulator: Emulator, project: Path) -> Iterator[list[str]]:
    """Names of the functions that run `shop`."""
    (asset,) = assets_of(project)
    code = {"ZipFile": "def handler(event, context): return 'deployed'"}
    kind = {"Type": "AWS::Lambda::Function"}
    values = {"Runtime": "python3.13", "Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/x"}
    resources = {logical: kind | {"Properties": values | {"Code": code}} for _, logical in asset.functions}
    client = emulator.client("cloudformation")
    client.create_stack(StackName="the-shop", TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName="the-shop", WaiterConfig={"Delay": 1})
    found = client.describe_stack_resources(StackName="the-shop")["StackResources"]
    names = [resource["PhysicalResourceId"] for resource in found]
    for name in names:
        emulator.client("lambda").update_function_configuration(FunctionName=name, Handler="main.handler")
    yield names
    client.delete_stack(StackName="the-shop")


def test_functions_get_the_code_as_it_is_and_a_deployment_takes_it_back(
    emulator: Emulator, project: Path, deployed: list[str]
) -> None:
    main = project / "shop" / "main.py"
    (asset,) = assets_of(project)

    def answers() -> set[str]:
        client = emulator.client("lambda")
        return {json.loads(client.invoke(FunctionName=name)["Payload"].read()) for name in deployed}

    main.write_text(ANSWER.format(answer="new"))
    assert len(swap(emulator, [asset])) == 2
    assert answers() == {"new"}

    main.write_text("def handler(")
    with pytest.raises(SyntaxError):
        swap(emulator, [asset])
    assert answers() == {"new"}

    main.write_text(ANSWER.format(answer="shop/main.py"))
    put_back(emulator, project / "cdk.out")
    assert answers() == {"shop/main.py"}
    client = emulator.client("lambda")
    client.update_function_code(
        FunctionName=deployed[0], ZipFile=archive({"main.py": ANSWER.format(answer=1)})
    )
    put_back(emulator, project / "cdk.out")  # nothing was swapped since
    assert answers() == {1, "shop/main.py"}


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


def test_a_watch_without_the_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(WatchMissingError, match=r"run `pip install 'cdk-cqrs\[local\]'`"):
        next(changes_in([tmp_path]))


def next_of(changes: Iterator[set[Path]]) -> set[Path]:
    """The next that is not empty."""
    return next(found for found, _ in zip(changes, range(100), strict=False) if found)
