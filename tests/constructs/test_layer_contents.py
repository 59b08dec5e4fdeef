from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from aws_cdk import aws_lambda as lambda_

import constructs_lib
import runtime
from constructs_lib import InvalidPropsError
from constructs_lib.functions.python_runtime import default_python_runtime, python_version
from constructs_lib.layers.layer_contents import LayerContents, lock_lines, runtime_package, source_files

LOCKS = sorted((Path(constructs_lib.__file__).parent / "layers").glob("runtime-requirements*.txt"))
LOCK = """\
beta==2.0 \\
    --hash=sha256:bb \\
    --hash=sha256:aa
    # via alpha
alpha==1.0 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
"""


def contents(folder: Path, *, python: str = "3.13", processor: str = "arm64") -> LayerContents:
    return LayerContents(
        requirements=folder / "requirements.txt",
        architecture=lambda_.Architecture.custom(processor),
        python_runtime=lambda_.Runtime(f"python{python}", lambda_.RuntimeFamily.PYTHON),
        package=folder / "package",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(LOCK)
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("ANSWER = 42\n")
    (tmp_path / "package" / "inner" / "deep.py").write_text("DEEP = True\n")
    return tmp_path


def test_a_lock_is_read_as_one_line_for_each_package(folder: Path) -> None:
    assert lock_lines(folder / "requirements.txt") == [
        "alpha==1.0 ; python_full_version >= '3.12' --hash=sha256:cc",
        "beta==2.0 --hash=sha256:aa --hash=sha256:bb",
    ]


def test_a_lock_that_an_editor_of_windows_has_marked_is_the_same(folder: Path) -> None:
    lock = folder / "requirements.txt"
    before = lock_lines(lock)
    lock.write_bytes(codecs.BOM_UTF8 + b"# a comment\r\n" + lock.read_bytes().replace(b"\n", b"\r\n"))
    assert lock_lines(lock) == before


def test_the_hash_does_not_change_with_the_machine(folder: Path) -> None:
    before = contents(folder).asset_hash
    package = folder / "package"
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"compiled")
    (package / "__pycache__" / "__init__.cpython-311.pyc.1234").write_bytes(b"half compiled")
    (package / ".DS_Store").write_bytes(b"desktop")
    os.utime(package / "__init__.py", (0, 0))
    (package / "inner" / "deep.py").write_bytes(b"DEEP = True\r\n")
    (folder / "requirements.txt").write_text(
        "# made by another version of uv\n"
        "alpha==1.0 ; python_full_version >= '3.12' --hash=sha256:cc\n"
        "beta==2.0 --hash=sha256:aa --hash=sha256:bb   # via alpha\n"
    )
    assert contents(folder).asset_hash == before


def test_the_hash_changes_with_each_part(folder: Path) -> None:
    hashes = [
        contents(folder).asset_hash,
        contents(folder, python="3.14").asset_hash,
        contents(folder, processor="x86_64").asset_hash,
    ]
    (folder / "package" / "inner" / "deep.py").write_text("DEEP = False\n")
    hashes.append(contents(folder).asset_hash)
    (folder / "package" / "inner" / "deep.py").rename(folder / "package" / "deep.py")
    hashes.append(contents(folder).asset_hash)
    (folder / "requirements.txt").write_text(LOCK.replace("2.0", "2.1"))
    hashes.append(contents(folder).asset_hash)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    ("python", "processor", "platform"),
    [
        ("3.11", "arm64", "aarch64-manylinux2014"),
        ("3.11", "x86_64", "x86_64-manylinux2014"),
        ("3.12", "arm64", "aarch64-manylinux_2_28"),
        ("3.14", "x86_64", "x86_64-manylinux_2_28"),
    ],
)
def test_wheels_fit_the_c_library_of_the_runtime(
    folder: Path, python: str, processor: str, platform: str
) -> None:
    assert contents(folder, python=python, processor=processor).platform == platform


def test_the_runtime_is_found_where_python_finds_it() -> None:
    assert runtime_package() == Path(runtime.__path__[0])
    assert Path("contract.py") in source_files(runtime_package())


def test_what_is_for_tests_is_not_in_the_layer() -> None:
    package = runtime_package()
    assert (package / "testing" / "__init__.py").is_file()
    shipped = source_files(package)
    assert not any(path.parts[0] == "testing" for path in shipped)
    assert Path("store/memory.py") in shipped


def test_what_is_for_tests_does_not_change_the_hash(folder: Path) -> None:
    before = contents(folder).asset_hash
    (folder / "package" / "testing").mkdir()
    (folder / "package" / "testing" / "kit.py").write_text("KIT = True\n")
    assert contents(folder).asset_hash == before
    (folder / "package" / "inner" / "testing").mkdir()
    (folder / "package" / "inner" / "testing" / "own.py").write_text("OWN = True\n")
    assert contents(folder).asset_hash != before


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_shipped_locks_are_hashed_and_name_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "-index" not in text
    assert all("--hash=sha256:" in line for line in lock_lines(lock))


def test_pinning_boto3_changes_no_other_package() -> None:
    assert [lock.name for lock in LOCKS] == ["runtime-requirements-boto3.txt", "runtime-requirements.txt"]
    with_boto3, without = ({line.split()[0] for line in lock_lines(lock)} for lock in LOCKS)
    assert without < with_boto3


def test_the_default_runtime_is_the_python_that_synthesizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", _Version(3, 13))
    assert default_python_runtime().name == "python3.13"


def test_a_python_that_lambda_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", _Version(3, 99))
    with pytest.raises(
        InvalidPropsError, match=r"Python 3.99 synthesizes.*give one of 3.11, 3.12, 3.13, 3.14"
    ):
        default_python_runtime()


@pytest.mark.parametrize("runtime_name", ["python3.10", "python2.7", "nodejs22.x", "provided.al2023"])
def test_a_runtime_that_cannot_run_the_library_is_refused(runtime_name: str) -> None:
    with pytest.raises(InvalidPropsError, match=f"must be Python 3.11 or newer, got '{runtime_name}'"):
        python_version(lambda_.Runtime(runtime_name))


class _Version(NamedTuple):
    major: int
    minor: int
