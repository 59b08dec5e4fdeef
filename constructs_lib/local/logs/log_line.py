"""One entry of a function's log, for people: a line, and below it where an error comes from."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["LEVELS", "LogLine", "is_traceback", "parse", "render"]

#: Levels by weight. Text without a level counts as INFO.
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_WEIGHTS: Final = {level: weight for weight, level in enumerate(LEVELS)} | {"WARN": 2, "FATAL": 4}

#: What is on each line of the logger, and tells nothing to someone who sits before it.
_LEFT_OUT: Final = frozenset({
    "level", "location", "message", "timestamp", "service", "cold_start", "function_name",
    "function_memory_size", "function_arn", "function_request_id", "xray_trace_id", "sampling_rate",
    "exception", "exception_name", "stack_trace", "errors",
})  # fmt: skip
_REPORT: Final = re.compile(r"^REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")
_FRAME_OF_LAMBDA: Final = re.compile(r"^(START|END) RequestId: |^INIT_START ")
#: Where the emulator has unpacked the function's own code, and its layers.
_CODE: Final = re.compile(r"[^\s\"']*/ministack-lambda-[^/\s]+/code/")
_LAYER: Final = re.compile(r"[^\s\"']*/ministack-lambda-[^/\s]+/layer_\d+/python/")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What an entry of a log says.

    Attributes:
        level: Its level; empty where it has none.
        text: What it says.
        details: The fields beside it, as `name=value`.
        below: Lines that go below it, such as a traceback.
    """

    level: str
    text: str
    details: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    def is_at_least(self, level: str) -> bool:
        """Whether it weighs as much as a level."""
        return _WEIGHTS.get(self.level, _WEIGHTS["INFO"]) >= _WEIGHTS[level]


def parse(message: str) -> LogLine | None:
    """Read an entry. `None` for what Lambda frames a call with, and for metrics."""
    message = message.rstrip()
    if not message or _FRAME_OF_LAMBDA.match(message):
        return None
    if report := _REPORT.match(message):
        return LogLine("", f"answered in {report[1]} ms")
    fields = _fields(message)
    if fields is None:
        if not is_traceback(message):
            return LogLine("", _short(message))
        *above, last = _short(message).splitlines()
        return LogLine("ERROR", last.strip(), below=tuple(above))
    if "_aws" in fields:
        return None
    said = fields.get("message", "")
    details = [f"{name}={_text(value)}" for name, value in fields.items() if name not in _LEFT_OUT]
    return LogLine(str(fields.get("level", "")).upper(), _text(said), tuple(details), tuple(_below(fields)))


def is_traceback(message: str) -> bool:
    """Whether an entry is about an error that the function did not catch."""
    return message.startswith(("[ERROR]", "Traceback (most recent call last)"))


def render(line: LogLine, *, milliseconds: int, label: str, width: int) -> str:
    """A line of a log as text, in the time of this machine.

    Args:
        line: What it says.
        milliseconds: When, since 1970.
        label: The function.
        width: How wide the column of functions is.
    """
    moment = time.strftime("%H:%M:%S", time.localtime(milliseconds / 1000))
    head = f"{moment}.{milliseconds % 1000:03d}  {label:<{width}}  {line.level:<8}"
    first = "  ".join([f"{head}  {line.text}", *line.details])
    return "\n".join([first.rstrip(), *(f"    {below}" for below in line.below)])


def _fields(message: str) -> dict[str, Any] | None:
    if not message.startswith("{"):
        return None
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _below(fields: dict[str, Any]) -> list[str]:
    """The lines about an error: a traceback, or the frames of one whose text is not logged."""
    if text := fields.get("exception") or fields.get("stack_trace"):
        return _short(_text(text)).splitlines()
    lines = []
    errors = fields.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and isinstance(frames := error.get("stack"), list):
            lines.append(str(error.get("type", "")))
            lines += [f"  {_short(str(frame))}" for frame in _own(frames)]
        else:
            lines.append(_text(error))
    return lines


def _own(frames: list[Any]) -> list[Any]:
    """The frames of the service's own code, and the last one; all of them where it has none."""
    if not any(_CODE.search(str(frame)) for frame in frames):
        return frames
    return [frame for frame in frames[:-1] if _CODE.search(str(frame))] + frames[-1:]


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    """The paths of the function's files as they are in its folder."""
    return _LAYER.sub("layer:", _CODE.sub("", text))
