"""The audit finds what is known, and never takes silence for an all-clear; the SBOM is what is locked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "constructs_lib" / "layers" / "runtime-requirements.txt"
HOLE = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "a hole",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jmespath"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9.9"}]}],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    """Vulnerability data as OSV gives them: one package has a hole."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        holes = [HOLE] if asked["package"]["name"] == "jmespath" else []
        body = json.dumps({"vulns": holes} if holes else {}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@contextmanager
def osv() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def lock(folder: Path, *names: str) -> str:
    """A lock file with a few of the layer's packages."""
    entries = re.split(r"\n(?=\S)", LAYER.read_text(encoding="utf-8"))
    path = folder / "requirements.txt"
    path.write_text("\n".join(entry for entry in entries if entry.split("==")[0] in names) + "\n")
    return str(path)


def audit(url: str, file: str) -> tuple[int, str]:
    environment = {**os.environ, "OSV_URL": url, "no_proxy": "127.0.0.1"}
    ended = subprocess.run(  # noqa: S603 - our own tool
        [sys.executable, str(ROOT / "tools" / "audit"), file],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


def test_a_known_vulnerability_fails_the_audit(tmp_path: Path) -> None:
    with osv() as url:
        code, said = audit(url, lock(tmp_path, "cachetools", "jmespath"))
    assert (code, "jmespath 1" in said, "PYSEC-2026-1, mended in 9.9.9" in said) == (1, True, True), said


def test_without_a_known_vulnerability_it_says_what_it_looked_up(tmp_path: Path) -> None:
    with osv() as url:
        code, said = audit(url, lock(tmp_path, "cachetools", "typing-extensions"))
    assert (code, "2 packages, 0 known" in said) == (0, True), said


def test_what_cannot_be_looked_up_is_not_taken_for_safe(tmp_path: Path) -> None:
    code, said = audit("http://127.0.0.1:9/v1/query", lock(tmp_path, "cachetools"))
    assert (code, "NOT AUDITED" in said) == (2, True), said


def test_a_lock_file_without_packages_is_not_taken_for_safe(tmp_path: Path) -> None:
    with osv() as url:
        code, said = audit(url, lock(tmp_path))
    assert (code, "NOT AUDITED" in said) == (2, True), said


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, str(ROOT / "tools" / "sbom"), str(folder)], check=True)  # noqa: S603
    return {
        "layer" if "-layer" in path.name else "wheel": path.read_text(encoding="utf-8")
        for path in folder.glob("*.json")
    }


def test_the_sbom_of_the_layer_is_its_lock_file(documents: dict[str, str]) -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^ ]+)", LAYER.read_text(encoding="utf-8"), re.MULTILINE))
    document = json.loads(documents["layer"])
    assert {part["name"]: part["version"] for part in document["components"]} == locked
    assert all(part["properties"] for part in document["components"]), "a package without a hash"


def test_the_sbom_of_the_wheel_has_what_the_wheel_asks_for(documents: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    document = json.loads(documents["wheel"])
    named = {canonicalize_name(part["name"]) for part in document["components"]}
    assert asked <= named
    assert {"botocore", "pydantic-core"} <= named, "what they need in turn"
    assert not {"pytest", "ruff", "moto"} & named
    assert document["metadata"]["component"]["name"] == "cdk-cqrs"
    assert document["metadata"]["component"]["version"]


def test_the_sboms_are_the_same_everywhere(documents: dict[str, str]) -> None:
    assert set(documents) == {"layer", "wheel"}
    for text in documents.values():
        document = json.loads(text)
        assert document["bomFormat"] == "CycloneDX"
        assert not {"serialNumber", "timestamp"} & {*document, *document["metadata"]}
        assert re.findall(r"https?://(?!cyclonedx\.org/schema)[^\"]+", text) == []
        assert str(Path.home()) not in text
        assert "/tmp" not in text  # noqa: S108 - that it is not there
