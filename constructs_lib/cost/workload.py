"""What a service is asked to do in a month."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from constructs_lib.errors import InvalidPropsError

__all__ = ["Mode", "Workload"]


class Mode(StrEnum):
    """Which way commands take from the stream to the data table."""

    WORKFLOW = "workflow"
    """A standard execution each."""

    EXPRESS = "express"
    """An express execution each."""

    INLINE = "inline"
    """The stream function applies them; only what has handlers has a standard execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Asynchronous updates of one service, evenly over a month, and what goes with them.

    Attributes:
        commands_per_month: How many commands change something.
        size: Bytes of a row: of the command, and of the state that it makes.
        handlers: Data sync handlers of a module.
        reads_per_command: Reads over HTTP of one item, for each command.
        modules: Modules, for what monitoring costs.
        tenants: Tenants that have about as many commands each.
        settings: Whether tenants have settings, such as retention.
        users: Users who sign in during the month.
        keep_months: How long command and history rows are kept: what is stored at the end of it is what is
            billed.
        updates_per_aggregate: How many commands change the same aggregate, in all.
        attributes_limit: Bytes of a row from which on its attributes are in S3.
        milliseconds: How long a call of a function takes.
        tracing: Whether X-Ray traces a sample.
        log_states: Whether the log of executions has each state.
        monitoring: Whether there are alarms and the dashboard.
        snap_start: Whether the api function starts from a snapshot.

    Raises:
        InvalidPropsError: A number is outside of what there can be.
    """

    commands_per_month: int
    size: int = 1_000
    handlers: int = 0
    reads_per_command: int = 0
    modules: int = 1
    tenants: int = 1
    settings: bool = False
    users: int = 0
    keep_months: int = 12
    updates_per_aggregate: int = 10
    attributes_limit: int = 102_400
    milliseconds: int = 50
    tracing: bool = True
    log_states: bool = False
    monitoring: bool = True
    snap_start: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, lowest in (
            ("commands_per_month", 1),
            ("size", 1),
            ("handlers", 0),
            ("reads_per_command", 0),
            ("modules", 1),
            ("tenants", 1),
            ("users", 0),
            ("keep_months", 1),
            ("updates_per_aggregate", 1),
            ("attributes_limit", 1),
            ("milliseconds", 1),
        ):
            value = getattr(self, name)
            if value < lowest:
                msg = f"{name} must be {lowest} or more, got {value}"
                raise InvalidPropsError(msg)

    @property
    def is_off_loaded(self) -> bool:
        """Whether the attributes are in S3, and the rows refer to them."""
        return self.size > self.attributes_limit

    @property
    def row_size(self) -> int:
        """Bytes of a row in a table."""
        return 1_000 if self.is_off_loaded else self.size
