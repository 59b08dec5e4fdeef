"""What runs at synthesis is only ours: nothing of the working directory says what is downloaded or run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_lambda as lambda_

from constructs_lib import BundlingError, DependenciesLayer, InvalidPropsError
from constructs_lib.layers import layer_build
from constructs_lib.layers.build_environment import build_environment, is_of_working_directory
from constructs_lib.layers.layer_build import find_interpreter, install_requirements
from constructs_lib.layers.layer_cache import cached, is_as_built
from constructs_lib.layers.layer_contents import LayerContents
from tests.constructs.test_layer_build import HOST, bundled_stack, contents_of, tiny_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    import aws_cdk as cdk

HASH = "0" * 64


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that somebody else has filled, and a cache that is the user's own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user" / "cache"))
    monkeypatch.setenv("CDK_CQRS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return folder


@pytest.fixture
def tiny(work: Path, tmp_path: Path) -> Path:  # noqa: ARG001 - first
    """A lock file with one wheel."""
    wheel = tiny_wheel(tmp_path)
    lock = tmp_path / "packages.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}")
    return lock


def source_package(folder: Path) -> tuple[Path, str, Path]:
    """A package that has no wheel: its address, its hash, and what is there when its code has run."""
    witness = folder / "executed"
    run = f"open({str(witness)!r}, 'w').close()"
    setup = f"{run}\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n"
    archive = folder / "evil-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("evil-1.0/setup.py")
        info.size = len(setup)
        tar.addfile(info, BytesIO(setup.encode()))
    return archive, hashlib.sha256(archive.read_bytes()).hexdigest(), witness


def synth(lock: Path, outdir: Path, **options: Any) -> Path:
    """The folder of the layer, as it would be deployed."""
    stack = bundled_stack(outdir)
    DependenciesLayer(stack, "Packages", requirements=lock, architecture=HOST, **options)
    (asset,) = outdir.glob("asset.*")
    return asset


# Configuration and environment

CONFIGURATION = {
    "uv.toml": 'no-binary-package = ["evil", "tiny"]\nindex-url = "http://127.0.0.1:9/"\noffline = true\n',
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n[tool.uv]\nno-binary-package = ["evil"]\n',
    ".env": "UV_NO_BINARY_PACKAGE=evil\n",
    ".python-version": "3.99\n",
    "pip.conf": "[install]\nno-binary = evil\n",
    "setup.cfg": "[easy_install]\n",
}
ENVIRONMENT = {
    "UV_NO_BINARY_PACKAGE": "evil tiny",
    "UV_NO_VERIFY_HASHES": "1",
    "UV_CONFIG_FILE": "uv.toml",
    "UV_PROJECT": ".",
    "UV_WORKING_DIR": ".",
    "UV_CONSTRAINT": "constraints.txt",
    "UV_OVERRIDE": "overrides.txt",
    "UV_BUILD_CONSTRAINT": "constraints.txt",
    "UV_FIND_LINKS": "wheels",
    "UV_KEYRING_PROVIDER": "subprocess",
    "UV_PYTHON": "./python",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_LINK_MODE": "symlink",
    "PYTHONPATH": ".",
    "PYTHONSTARTUP": "evil.py",
    "VIRTUAL_ENV": ".venv",
}


def test_what_a_folder_says_changes_nothing(
    work: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = synth(tiny, tmp_path / "plain")
    for name, text in CONFIGURATION.items():
        (work / name).write_text(text)
    (work / "tiny.py").write_text("raise SystemExit('run')\n")
    (work / "sitecustomize.py").write_text("raise SystemExit('run')\n")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CDK_CQRS_CACHE", str(tmp_path / "another"))
    disturbed = synth(tiny, tmp_path / "disturbed")
    assert disturbed.name == plain.name
    assert contents_of(disturbed) == contents_of(plain)


def test_a_source_build_is_refused_whoever_else_asks_for_it(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the folder's configuration, by a variable: only `build_from_source` counts."""
    archive, digest, witness = source_package(tmp_path)
    lock = tmp_path / "packages.txt"
    lock.write_text(f"evil @ {archive.as_uri()} --hash=sha256:{digest}\n")
    (work / "uv.toml").write_text('no-binary-package = ["evil"]\n')
    monkeypatch.setenv("UV_NO_BINARY_PACKAGE", "evil")
    contents = LayerContents(requirements=lock, architecture=HOST, python_runtime=lambda_.Runtime.PYTHON_3_13)
    with pytest.raises(BundlingError, match="Building source distributions for `evil` is disabled"):
        install_requirements(contents, tmp_path / "out")
    assert not witness.exists()


def test_what_is_asked_for_is_built(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """uv is told so, and for that package only; whether it can is a question of its network."""
    archive, digest, _ = source_package(tmp_path)
    lock = tmp_path / "packages.txt"
    lock.write_text(f"evil @ {archive.as_uri()} --hash=sha256:{digest}\n")
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        assert options["env"] == build_environment()
        return subprocess.CompletedProcess(command, 1, "", "stop here")

    monkeypatch.setattr(layer_build.subprocess, "run", run)
    with pytest.raises(BundlingError, match="stop here"):
        synth(lock, tmp_path / "out", build_from_source=["Evil"])
    (command,) = commands
    assert command[-1] == "--no-config"
    allowed = [command[at + 1] for at, part in enumerate(command) if part == "--no-binary"]
    assert allowed == ["Evil"]
    assert command[command.index("--only-binary") + 1] == ":all:"


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ("--no-binary tiny", {}, "no option that changes what is built, got '--no-binary tiny'"),
        ("--no-binary=:all:", {}, "no option"),
        ("--find-links ./wheels", {}, "no option"),
        ("-r more.txt", {}, "no option"),
        ("-c constraints.txt", {}, "no option"),
        ("-e .", {}, "no option"),
        ("--pre", {}, "no option"),
        (f"evil @ https://host/evil-1.0.tar.gz --hash=sha256:{HASH}", {}, "must have wheels only"),
        (f"evil @ git+https://host/evil --hash=sha256:{HASH}", {}, "must have wheels only"),
        (f"./evil --hash=sha256:{HASH}", {}, "must have wheels only"),
        ("", {"build_from_source": ["other"]}, r"must be names of packages in requirements, got \['other'\]"),
        ("", {"build_from_source": "tiny"}, r"must be a list, got 'tiny'; write \['tiny'\]"),
    ],
)
def test_a_lock_file_says_which_packages_and_no_more(
    stack: cdk.Stack, tmp_path: Path, line: str, options: dict[str, Any], message: str
) -> None:
    lock = tmp_path / "packages.txt"
    lock.write_text(f"tiny==1.0 --hash=sha256:{HASH}\n{line}\n")
    with pytest.raises(InvalidPropsError, match=message):
        DependenciesLayer(stack, "Packages", requirements=lock, **options)


def test_where_packages_are_may_be_said(stack: cdk.Stack, tmp_path: Path) -> None:
    lock = tmp_path / "packages.txt"
    head = "--index-url https://a.example.com/\n--extra-index-url=https://b.example.com/\n"
    lock.write_text(f"{head}tiny==1.0 ; python_version >= '3.11' --hash=sha256:{HASH}\n")
    DependenciesLayer(stack, "Packages", requirements=lock, build_from_source=("Tiny",))


def test_a_variable_says_where_from_and_nothing_else(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "UV_DEFAULT_INDEX": "https://mirror.example.com/simple",
        "UV_INDEX_INTERNAL_PASSWORD": "x",
        "UV_OFFLINE": "1",
        "SSL_CERT_FILE": "/etc/ssl/cert.pem",
        "HTTPS_PROXY": "http://proxy:3128",
        "UV_CACHE_DIR": "/var/cache/uv",
    }
    dropped = ENVIRONMENT | {"UV_PYTHON_INSTALL_DIR": str(work / "pythons"), "XDG_DATA_HOME": "data"}
    for name, value in {**kept, **dropped}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin", str(work / "bin"), "/usr/bin"]))
    found = build_environment()
    assert {name: found.get(name) for name in kept} == kept
    assert not set(dropped) & set(found)
    assert found["PATH"] == "/usr/bin"


def test_a_python_of_the_folder_is_not_run(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "executed"
    version = "3.99"
    for folder in (work / ".venv" / "bin", work / "bin"):
        folder.mkdir(parents=True)
        for name in ("python", "python3", f"python{version}"):
            program = folder / name
            program.write_text(f"#!/bin/sh\ntouch {witness}\n")
            program.chmod(0o755)
    (work / ".venv" / "pyvenv.cfg").write_text(f"home = {work}\nversion = {version}\n")
    monkeypatch.setenv("VIRTUAL_ENV", str(work / ".venv"))
    monkeypatch.setenv("PATH", os.pathsep.join(["bin", str(work / "bin"), os.environ["PATH"]]))
    assert find_interpreter(version) is None
    assert not witness.exists()


# Cached entries


def fill(folder: Path) -> None:
    (folder / "python").mkdir(parents=True)
    (folder / "python" / "part.py").write_text("built = True\n")


def change(entry: Path) -> None:
    (entry / "python" / "part.py").write_text("built = False\n")


def add(entry: Path) -> None:
    (entry / "python" / "more.py").write_text("")


def remove(entry: Path) -> None:
    (entry / "python" / "part.py").unlink()


def rename(entry: Path) -> None:
    (entry / "python" / "part.py").rename(entry / "part.py")


def link(entry: Path) -> None:
    target = entry.parent.parent / "elsewhere.py"
    target.write_text("built = True\n")
    remove(entry)
    (entry / "python" / "part.py").symlink_to(target)


@pytest.mark.parametrize("tamper", [change, add, remove, rename, link])
@pytest.mark.usefixtures("work")
def test_an_entry_that_is_not_as_it_was_built_is_built_anew(tamper: Callable[[Path], None]) -> None:
    entry = cached("key", fill)
    tamper(entry)
    again = cached("key", fill)
    assert {path.relative_to(again).as_posix(): path.read_text() for path in again.rglob("*.py")} == {
        "python/part.py": "built = True\n"
    }
    assert not any(path.is_symlink() for path in again.rglob("*"))
    assert [path.name for path in again.parent.iterdir()] == ["key"]


def test_an_entry_that_was_there_before_is_not_taken(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is in the repository, with something in it."""
    monkeypatch.setenv("CDK_CQRS_CACHE", ".cache")
    fill(work / ".cache" / "key")
    change(work / ".cache" / "key")
    assert (cached("key", fill) / "python" / "part.py").read_text() == "built = True\n"
    built: list[Path] = []
    cached("key", lambda folder: (built.append(folder), fill(folder))[1])  # type: ignore[func-returns-value]
    assert built == [], "what was built here is known"


def test_a_note_that_the_working_directory_keeps_counts_for_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached("key", fill)
    (work / "notes").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "notes"))
    assert not is_as_built("key", cached("key", fill))
    assert list((work / "notes").iterdir()) == []


def test_an_entry_that_is_a_link_is_replaced(work: Path, tmp_path: Path) -> None:  # noqa: ARG001
    elsewhere = tmp_path / "elsewhere"
    fill(elsewhere)
    change(elsewhere)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "key").symlink_to(elsewhere)
    entry = cached("key", fill)
    assert not entry.is_symlink()
    assert (entry / "python" / "part.py").read_text() == "built = True\n"


def test_an_asset_that_lies_in_the_output_folder_is_checked_too(tiny: Path, tmp_path: Path) -> None:
    """CDK takes an asset that is there for the one that it would build."""
    asset = synth(tiny, tmp_path / "out")
    good = contents_of(asset)
    (asset / "python" / "tiny.py").write_text("ANSWER = 'somebody else's'\n")
    (asset / "python" / "sitecustomize.py").write_text("")
    assert contents_of(synth(tiny, tmp_path / "out")) == good
    before = {path: path.stat().st_mtime_ns for path in asset.rglob("*")}
    synth(tiny, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in asset.rglob("*")} == before, (
        "it is not built without need"
    )


def test_what_is_of_the_working_directory(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_of_working_directory(Path("cache"))
    assert is_of_working_directory(Path("../cache"))
    assert is_of_working_directory(work / "cache")
    assert is_of_working_directory(work / ".." / "work")
    assert not is_of_working_directory(work.parent / "cache")
    (work.parent / "link").symlink_to(work)
    assert is_of_working_directory(work.parent / "link" / "cache")
    for home in (work, work / "home"):
        monkeypatch.setenv("HOME", str(home))
        assert not is_of_working_directory(home / ".cache")


def test_this_python_is_the_one_that_synthesizes() -> None:
    assert find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}") == Path(sys.executable)
