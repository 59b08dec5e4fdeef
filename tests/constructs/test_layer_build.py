"""The layer as it is deployed: built for real, by uv, and imported by a Python that has nothing else."""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import platform
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import BundlingError, DependenciesLayer, RuntimeLayer
from constructs_lib.layers import bundling
from constructs_lib.layers.layer_build import find_interpreter
from constructs_lib.layers.layer_contents import runtime_package, source_files
from tests.constructs.conftest import RECOMMENDED_FLAGS, warnings_of

HOST = (
    lambda_.Architecture.ARM_64 if platform.machine() in {"arm64", "aarch64"} else lambda_.Architecture.X86_64
)
LOCK = Path(bundling.__file__).parent / "runtime-requirements.txt"
#: Zipped; docs/adr/0056 tells what of, and why it is not less.
MOST_ZIPPED_BYTES = 9_200_000
WRONG_HASH = "0" * 64
NO_SUCH_PACKAGE = f"absent @ file:///absent/absent-1.0-py3-none-any.whl --hash=sha256:{WRONG_HASH}"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CDK_CQRS_CACHE", str(folder))
        yield folder


def bundled_stack(outdir: Path) -> cdk.Stack:
    app = cdk.App(context=RECOMMENDED_FLAGS, outdir=str(outdir), builtin_cloud_formation_validation=False)
    return cdk.Stack(app, "Test")


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the deployed asset, for this machine's processor."""
    outdir = tmp_path_factory.mktemp("cdk.out")
    stack = bundled_stack(outdir)
    mask = os.umask(0o077)  # some machines let nobody else read what they make
    try:
        RuntimeLayer(stack, "Runtime", architecture=HOST)
    finally:
        os.umask(mask)
    assert warnings_of(stack) == []
    (asset,) = outdir.glob("asset.*")
    return asset


def run_in(layer: Path, program: str) -> Any:
    """Run a program in a Python that sees the layer and the standard library, nothing else."""
    found = f"import sys; sys.path.append({str(layer / 'python')!r})\n"
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-S", "-I", "-B", "-c", found + program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_layer_imports_on_its_own(layer: Path) -> None:
    imported = run_in(
        layer,
        "import json, pydantic, aws_lambda_powertools, runtime, runtime.contract\n"
        "class Order(pydantic.BaseModel):\n"
        "    number: int\n"
        "print(json.dumps([Order(number='7').number, pydantic.__file__, runtime.contract.__file__]))",
    )
    number, *files = imported
    assert number == 7
    assert all(Path(file).is_relative_to(layer) for file in files)


def test_every_module_of_the_runtime_is_there(layer: Path) -> None:
    shipped = {
        path.relative_to(layer / "python/runtime") for path in (layer / "python/runtime").rglob("*.py")
    }
    assert shipped == {path for path in source_files(runtime_package()) if path.suffix == ".py"}


def zipped(layer: Path) -> tuple[int, Counter[str]]:
    """Bytes of a layer as it is uploaded, and of each package in it."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(layer.rglob("*")):
            archive.write(path, path.relative_to(layer))
    sizes: Counter[str] = Counter()
    for entry in archive.infolist():
        sizes["/".join(entry.filename.split("/")[1:2])] += entry.compress_size
    return len(packed.getvalue()), sizes


def test_the_layer_has_the_size_that_it_may_have(layer: Path) -> None:
    size, sizes = zipped(layer)
    assert size <= MOST_ZIPPED_BYTES, sizes.most_common(8)


def test_versions_can_be_asked(layer: Path) -> None:
    version = run_in(layer, "import importlib.metadata as m, json; print(json.dumps(m.version('pydantic')))")
    assert f"pydantic=={version} " in LOCK.read_text()


def test_time_zones_are_there_where_the_machine_has_none(layer: Path) -> None:
    offset = run_in(
        layer,
        "import json, zoneinfo\nfrom datetime import datetime\n"
        "zoneinfo.reset_tzpath([])\n"
        "at = datetime(2026, 4, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo'))\n"
        "print(json.dumps(at.utcoffset().total_seconds()))",
    )
    assert offset == 9 * 3600


def test_every_module_has_bytecode_that_is_used_unchecked(layer: Path) -> None:
    compiled = list(layer.rglob("*.pyc"))
    sources = list(layer.rglob("*.py"))
    assert len(compiled) == len(sources) > 300
    for path in compiled:
        (flags,) = struct.unpack("<I", path.read_bytes()[4:8])
        assert flags == 0b01, path  # by hash, and not checked against the source


def test_bytecode_is_loaded_although_the_source_looks_newer(tmp_path: Path) -> None:
    # What deployment does to dates does not matter: not even changed source is noticed.
    copy = tmp_path / "python" / "probe.py"
    copy.parent.mkdir()
    copy.write_text("ANSWER = 1\n")
    interpreter = find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert interpreter is not None
    bundling.compile_bytecode(interpreter, copy.parent, root=tmp_path)
    copy.write_text("ANSWER = 2\n")
    assert run_in(tmp_path, "import probe; print(probe.ANSWER)") == 1


def test_tracebacks_show_where_lambda_unpacks_the_layer(layer: Path) -> None:
    (compiled,) = (layer / "python/runtime/__pycache__").glob("contract.*.pyc")
    code = marshal.loads(compiled.read_bytes()[16:])  # noqa: S302 - our own bytecode
    assert code.co_filename == "/opt/python/runtime/contract.py"
    (installed,) = (layer / "python/pydantic/__pycache__").glob("main.*.pyc")
    assert marshal.loads(installed.read_bytes()[16:]).co_filename == "/opt/python/pydantic/main.py"  # noqa: S302


def test_nothing_of_this_machine_is_shipped(layer: Path) -> None:
    names = {path.name for path in layer.rglob("*")}
    assert not names & {"bin", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", ".lock"}
    assert {"METADATA", "licenses"} <= names
    for path in layer.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == 0o755 or (path.is_file() and mode == 0o644), (path, oct(mode))
    size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
    assert size < 25e6


def test_a_second_build_needs_no_network_and_gives_the_same(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    RuntimeLayer(bundled_stack(tmp_path / "out"), "Runtime", architecture=HOST)
    (again,) = (tmp_path / "out").glob("asset.*")
    assert again.name == layer.name
    assert contents_of(again) == contents_of(layer)


def test_a_changed_source_file_is_another_asset_with_the_change_in_it(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = bundling.copy_package(runtime_package(), tmp_path)
    with (changed / "contract.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    monkeypatch.setattr("constructs_lib.layers.runtime_layer.runtime_package", lambda: changed)
    RuntimeLayer(bundled_stack(tmp_path / "out"), "Runtime", architecture=HOST)
    (asset,) = (tmp_path / "out").glob("asset.*")
    assert asset.name != layer.name
    program = "import json, runtime.contract; print(json.dumps(runtime.contract.CHANGED))"
    assert run_in(asset, program) is True


def test_the_layer_is_built_for_another_processor(tmp_path: Path) -> None:
    other = next(a for a in (lambda_.Architecture.ARM_64, lambda_.Architecture.X86_64) if a.name != HOST.name)
    RuntimeLayer(bundled_stack(tmp_path), "Runtime", architecture=other)
    (library,) = tmp_path.rglob("_pydantic_core*.so")
    machine = {"arm64": 183, "x86_64": 62}[other.name]
    assert struct.unpack_from("<H", library.read_bytes(), 18) == (machine,)
    (asset,) = tmp_path.glob("asset.*")
    size, sizes = zipped(asset)
    assert size <= MOST_ZIPPED_BYTES, sizes.most_common(8)


def test_packages_that_cannot_be_installed_say_what_uv_said(tmp_path: Path) -> None:
    lock = tmp_path / "packages.txt"
    lock.write_text(NO_SUCH_PACKAGE)
    stack = bundled_stack(tmp_path / "out")
    with pytest.raises(
        BundlingError, match=r"(?s)packages.txt could not be installed .* uv said:.*absent-1.0"
    ):
        DependenciesLayer(stack, "Packages", requirements=lock)


@pytest.mark.parametrize(("python", "hinted"), [("3.11", True), ("3.13", False)])
def test_packages_that_are_too_new_for_amazon_linux_2_get_a_hint(
    tmp_path: Path, python: str, *, hinted: bool
) -> None:
    lock = tmp_path / "packages.txt"
    lock.write_text(NO_SUCH_PACKAGE)
    with pytest.raises(BundlingError) as raised:
        DependenciesLayer(
            bundled_stack(tmp_path / "out"),
            "Packages",
            requirements=lock,
            python_runtime=lambda_.Runtime(f"python{python}", lambda_.RuntimeFamily.PYTHON),
        )
    assert ("for which newer packages have no wheels: use 3.12 or newer" in str(raised.value)) is hinted


def test_packages_of_ones_own_become_a_layer(tmp_path: Path) -> None:
    lock = tmp_path / "packages.txt"
    wheel = tiny_wheel(tmp_path)
    lock.write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    DependenciesLayer(bundled_stack(tmp_path / "out"), "Packages", requirements=lock, architecture=HOST)
    (asset,) = (tmp_path / "out").glob("asset.*")
    assert run_in(asset, "import json, tiny; print(json.dumps([tiny.ANSWER, tiny.__cached__]))")[0] == 42
    files = {path.relative_to(asset / "python").as_posix() for path in asset.rglob("*") if path.is_file()}
    compiled = f"__pycache__/tiny.{sys.implementation.cache_tag}.pyc"
    assert files == {"tiny.py", compiled, "tiny-1.0.dist-info/METADATA"}


def test_a_hash_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "packages.txt"
    lock.write_text(f"tiny @ {tiny_wheel(tmp_path).as_uri()} --hash=sha256:{WRONG_HASH}")
    with pytest.raises(BundlingError, match=r"(?s)uv said:.*[Hh]ash mismatch"):
        DependenciesLayer(bundled_stack(tmp_path / "out"), "Packages", requirements=lock)


def test_a_failed_build_never_asks_for_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("CDK_DOCKER", str(program))
    lock = tmp_path / "packages.txt"
    lock.write_text(NO_SUCH_PACKAGE)
    with pytest.raises(BundlingError):
        DependenciesLayer(bundled_stack(tmp_path / "out"), "Packages", requirements=lock)
    assert not started.exists()


def test_without_an_interpreter_the_layer_is_built_without_bytecode_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "find_interpreter", lambda _version: None)
    stack = bundled_stack(tmp_path)
    RuntimeLayer(stack, "Runtime", architecture=HOST)
    assert warnings_of(stack) == ["cqrs:noBytecode"]
    (asset,) = tmp_path.glob("asset.*")
    assert list(asset.rglob("*.pyc")) == []
    assert run_in(asset, "import json, pydantic; print(json.dumps(pydantic.VERSION))")


def test_a_python_that_is_not_here_is_not_downloaded() -> None:
    assert find_interpreter("3.99") is None


def test_a_stack_that_is_not_bundled_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_CQRS_CACHE", str(tmp_path / "cache"))
    app = cdk.App(
        context={"aws:cdk:bundling-stacks": ["Another"]},
        outdir=str(tmp_path / "out"),
        builtin_cloud_formation_validation=False,
    )
    stack = cdk.Stack(app, "Test")
    # No Python 3.14 is needed, and none is missed.
    RuntimeLayer(stack, "Runtime", python_runtime=lambda_.Runtime.PYTHON_3_14)
    assert warnings_of(stack) == []
    assert not (tmp_path / "cache").exists()


def test_the_asset_has_the_same_name_where_nothing_is_bundled(layer: Path, stack: cdk.Stack) -> None:
    RuntimeLayer(stack, "Elsewhere", architecture=HOST)
    (resource,) = Template.from_stack(stack).find_resources("AWS::Lambda::LayerVersion").values()
    assert resource["Properties"]["Content"]["S3Key"] == f"{layer.name.removeprefix('asset.')}.zip"


def tiny_wheel(folder: Path) -> Path:
    """Make a wheel by hand: no registry is asked for it."""
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": "ANSWER = 42\n",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def contents_of(asset: Path) -> dict[str, bytes]:
    return {
        path.relative_to(asset).as_posix(): path.read_bytes() for path in asset.rglob("*") if path.is_file()
    }
