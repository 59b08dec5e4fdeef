"""What runs on any system: what is shipped calls nothing that POSIX alone has.

Only the AWS on this machine, `constructs_lib.local`, does; it says so where it cannot run.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent

_MODULES: Final = frozenset(
    {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
)
_NAMES: Final = re.compile(
    r"os\.(fork\w*|killpg|setsid|getpgrp|getpgid|get[eu]?[ug]id|chown|mkfifo|uname|wait\w*|symlink|umask)"
    r"|signal\.(SIGHUP|SIGKILL|SIGQUIT|SIGUSR1|SIGUSR2|SIGALRM|alarm|pause|setitimer)"
    r"|socket\.AF_UNIX|Path\.home\(\)\.owner"
)
_KEYWORDS: Final = frozenset({"pass_fds", "preexec_fn", "start_new_session"})
_READS_TEXT: Final = frozenset({"read_text", "write_text"})


def sources() -> list[Path]:
    found = [path for folder in ("constructs_lib", "runtime") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if "local" not in path.relative_to(ROOT).parts[:2]]


def unportable(source: str) -> list[str]:
    """What of a file does not work, or works otherwise, on Windows; with its lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [
                    f"{node.lineno}: import {n.name}" for n in names if n.name.split(".")[0] in _MODULES
                ]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in _MODULES:
                found.append(f"{node.lineno}: from {module}")
            case ast.Attribute() if _NAMES.fullmatch(name := ast.unparse(node)):
                found.append(f"{node.lineno}: {name}")
            case ast.Call(func=ast.Attribute(attr=attr), keywords=keywords):
                given = {keyword.arg for keyword in keywords}
                found += [f"{node.lineno}: {name}=" for name in sorted(_KEYWORDS & {str(g) for g in given})]
                if attr in _READS_TEXT and "encoding" not in given:
                    found.append(f"{node.lineno}: {attr} without encoding=, which is not UTF-8 everywhere")
            case _:
                pass
    return found


def test_what_is_shipped_runs_on_windows_too() -> None:
    found = {str(path.relative_to(ROOT)): unportable(path.read_text(encoding="utf-8")) for path in sources()}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "from pwd import getpwuid",
        "os.killpg(1, 9)",
        "signal.signal(signal.SIGHUP, stop)",
        "subprocess.Popen([], start_new_session=True)",
        "Path('a').read_text()",
    ],
)
def test_what_posix_alone_has_is_found(line: str) -> None:
    assert len(unportable(line)) == 1
