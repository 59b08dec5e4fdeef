from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from constructs_lib import BundlingError
from constructs_lib.layers.layer_cache import cache_folder, cached


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDK_CQRS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder: Path) -> None:
    folder.mkdir()
    (folder / "part").write_text("whole")


def test_a_thing_is_built_once() -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        fill(folder)

    assert cached("key", build) == cached("key", build)
    assert (cached("key", build) / "part").read_text() == "whole"
    assert len(built) == 1


def test_a_build_that_fails_leaves_nothing_behind(cache: Path) -> None:
    def build(folder: Path) -> None:
        fill(folder)
        msg = "half way"
        raise BundlingError(msg)

    with pytest.raises(BundlingError, match="half way"):
        cached("key", build)
    assert list(cache.iterdir()) == []


def test_the_same_may_be_built_twice_at_once(cache: Path) -> None:
    both_have_built = threading.Barrier(2)

    def build(folder: Path) -> None:
        fill(folder)
        both_have_built.wait(timeout=30)

    with ThreadPoolExecutor(2) as builders:
        entries = list(builders.map(cached, ["key", "key"], [build, build]))
    assert entries == [cache / "key", cache / "key"]
    assert (cache / "key" / "part").read_text() == "whole"
    assert [entry.name for entry in cache.iterdir()] == ["key"]


def test_a_cache_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CDK_CQRS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BundlingError, match=r"cannot be written .* set CDK_CQRS_CACHE to another folder"):
        cached("key", fill)


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{}/cdk-cqrs"),
        ("win32", "LOCALAPPDATA", "{}/cdk-cqrs"),
        ("darwin", "HOME", "{}/Library/Caches/cdk-cqrs"),
        ("linux", "HOME", "{}/.cache/cdk-cqrs"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, expected: str
) -> None:
    for name in ("CDK_CQRS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("constructs_lib.layers.layer_cache.sys.platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() == Path(expected.format(tmp_path))
