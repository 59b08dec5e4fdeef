"""What is deployed of a folder, and which folders are refused before anything is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_

from constructs_lib import BundlingError, CqrsFunction, CqrsFunctions, InvalidPropsError
from constructs_lib.functions.code_asset import code_asset
from constructs_lib.functions.code_contents import check_size
from constructs_lib.functions.handler import LONGEST_HANDLER, check_handler
from constructs_lib.layers.layer_build import check_unpacked_size
from constructs_lib.quotas.package_size import MOST_UNPACKED_BYTES
from tests.constructs.conftest import SKIP_BUNDLING, warnings_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working directory, with everything that lies about in one."""
    for name in (
        "main.py",
        "orders/__init__.py",
        "orders/pricing.py",
        "app.py",
        "cdk.json",
        "cdk.context.json",
        "requirements.txt",
        "tests/test_orders.py",
        "orders/__pycache__/pricing.cpython-313.pyc",
        "node_modules/aws-cdk/index.js",
        "web/node_modules/react/index.js",
        "shop.egg-info/PKG-INFO",
        "env/pyvenv.cfg",
        "env/lib/python3.13/site-packages/boto3/__init__.py",
        ".venv/pyvenv.cfg",
        ".git/HEAD",
        ".mypy_cache/3.13/main.json",
        "cdk.out/old/main.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("app = None\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def deployed(code: str | Path, outdir: str) -> tuple[str, set[str]]:
    """The name of the asset that an app makes of ``code``, and the files in it."""
    app = cdk.App(
        context=SKIP_BUNDLING, outdir=str(Path(outdir).absolute()), builtin_cloud_formation_validation=False
    )
    stack = cdk.Stack(app, "Code")
    CqrsFunction(
        stack,
        "Function",
        code=code_asset(stack, code, handler="main.app"),
        handler="main.app",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
    )
    (asset,) = Path(app.synth().directory).glob("asset.*")
    return asset.name, {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("project")
def test_the_projects_own_folder_is_deployed_without_what_is_no_code() -> None:
    first = deployed(".", "cdk.out")
    assert first[1] == {"main.py", "app.py", "orders/__init__.py", "orders/pricing.py"}
    # What was synthesized, or is cached, does not come along, and is no change.
    Path("cdk.context.json").write_text("{}", encoding="utf-8")
    Path("env/new.py").write_text("", encoding="utf-8")
    assert deployed(".", "cdk.out") == first
    into_elsewhere = deployed(".", "build/synthesized")
    assert into_elsewhere[1] == first[1]
    grow(Path("build/synthesized/large.bin"), MOST_UNPACKED_BYTES)
    assert deployed(".", "build/synthesized") == into_elsewhere


def test_a_linked_folder_is_deployed_as_what_it_is_linked_to(project: Path) -> None:
    (project / "linked").symlink_to(project / "orders", target_is_directory=True)
    (project / "orders" / "main.py").write_text("app = None\n", encoding="utf-8")
    assert deployed("linked", "cdk.out")[1] == {"main.py", "__init__.py", "pricing.py"}


def test_a_zip_file_is_deployed(stack: cdk.Stack, tmp_path: Path) -> None:
    code_asset(stack, archive(tmp_path / "code.zip", "main.py"), handler="main.app")
    with pytest.raises(InvalidPropsError, match=r"neither main\.py nor main/__init__\.py"):
        code_asset(stack, archive(tmp_path / "other.zip", "other.py"), handler="main.app")
    with pytest.raises(InvalidPropsError, match=r"code must not have runtime\.py"):
        code_asset(stack, archive(tmp_path / "hides.zip", "main.py", "runtime.py"), handler="main.app")


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, "app = None\n")
    return path


@pytest.mark.parametrize(
    ("code", "handler", "message"),
    [
        (
            "nope",
            "main.app",
            r"must be a folder, got 'nope', which is not there \(/.*/nope\); a relative",
        ),
        ("main.py", "main.app", r"a folder or a zip file, got 'main.py', which is a file \(/.*/main.py\)"),
        (
            "web",
            "main.app",
            r"handler must be in code, got 'main\.app' and neither main\.py nor main/",
        ),
        (".", "orders.prices.app", r"neither orders/prices\.py nor orders/prices/__init__\.py in '\.'"),
        (
            ".",
            "datadog_lambda.handler.handler",
            r"; give the folder .* of a layer, code=lambda_\.Code\.from_asset\('\.'\), which is not",
        ),
        (".", "main", r"handler must match .*, got 'main'; write the module and the name in it"),
        (".", "main.py:app", "handler must match .*, got 'main.py:app'"),
    ],
)
@pytest.mark.usefixtures("project")
def test_code_that_lambda_could_not_call_is_refused(
    stack: cdk.Stack, code: str, handler: str, message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        code_asset(stack, code, handler=handler)


@pytest.mark.parametrize("handler", ["main.app", "orders.pricing.app", "orders/pricing.app", "orders.app"])
@pytest.mark.usefixtures("project")
def test_a_handler_is_in_a_module_or_a_package(stack: cdk.Stack, handler: str) -> None:
    code_asset(stack, ".", handler=handler)


@pytest.mark.parametrize("name", ["runtime.py", "runtime/__init__.py"])
def test_code_that_hides_the_runtime_is_refused(stack: cdk.Stack, project: Path, name: str) -> None:
    (project / "runtime").mkdir()
    # A folder alone hides nothing: Python goes on looking for a package.
    code_asset(stack, ".", handler="main.app")
    (project / name).write_text("", encoding="utf-8")
    with pytest.raises(
        InvalidPropsError, match=rf"code must not have {name}, got '\.' .*/{name}\): it hides"
    ):
        code_asset(stack, ".", handler="main.app")


def test_code_of_ones_own_that_may_hide_the_runtime_gets_a_warning(stack: cdk.Stack, project: Path) -> None:
    (project / "runtime.py").write_text("", encoding="utf-8")
    CqrsFunctions(
        stack,
        "Functions",
        code=lambda_.Code.from_asset(str(project), exclude=["env", "cdk.out"]),
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
    )
    assert warnings_of(stack) == ["cqrs:hiddenRuntime"]


def test_code_that_hides_a_module_of_python_gets_a_warning(stack: cdk.Stack, project: Path) -> None:
    for name in ("queue.py", "test/__init__.py", "orders/types.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("", encoding="utf-8")
    code_asset(stack, ".", handler="main.app")
    assert warnings_of(stack) == ["cqrs:hiddenModule"]


def grow(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)  # takes no room


def test_code_may_be_as_large_as_lambda_unpacks(tmp_path: Path) -> None:
    excluded = ["**/tests", "build/assembly"]
    for name in ("tests/data.bin", "orders/tests/data.bin", "build/assembly/data.bin"):
        grow(tmp_path / name, MOST_UNPACKED_BYTES + 1)
    grow(tmp_path / "model.bin", MOST_UNPACKED_BYTES)
    check_size(tmp_path, excluded)
    # Of the same name, and elsewhere: it is deployed.
    grow(tmp_path / "orders" / "build" / "assembly" / "data.bin", 1)
    with pytest.raises(InvalidPropsError, match="at most 262144000 bytes, layers included, got 262144001 in"):
        check_size(tmp_path, excluded)


def test_a_layer_may_be_as_large_as_lambda_unpacks(tmp_path: Path) -> None:
    package = tmp_path / "python" / "package.so"
    package.parent.mkdir()
    with package.open("wb") as file:
        file.truncate(MOST_UNPACKED_BYTES)
        check_unpacked_size(tmp_path, Path("requirements.txt"))
        file.truncate(MOST_UNPACKED_BYTES + 1)
        with pytest.raises(
            BundlingError, match="at most 262144000 bytes, code and other layers included, got"
        ):
            check_unpacked_size(tmp_path, Path("requirements.txt"))


def handler_of(length: int) -> str:
    return f"{'m' * (length - 4)}.app"


def test_a_handler_may_be_as_long_as_lambda_takes() -> None:
    check_handler("handler", handler_of(LONGEST_HANDLER))
    with pytest.raises(InvalidPropsError, match="handler must have at most 128 characters, got 129; import"):
        check_handler("handler", handler_of(LONGEST_HANDLER + 1))


@pytest.mark.parametrize("name", ["runtime.py", "runtime/__init__.py"])
def test_what_hides_the_runtime_at_synthesis_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "app.py").write_text("from constructs_lib import CqrsStack\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"ImportError: {tmp_path / name} hides the package 'runtime'" in ran.stderr
