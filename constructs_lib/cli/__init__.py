"""The operators' command line, `cqrs`: shows what is parked, lagging or lost, and repairs it.

It needs neither the CDK nor Node.js, and touches no table: it asks the service's operator
function, which has the handlers' code, their network and the permissions.
"""

from __future__ import annotations

from constructs_lib.cli.context import Context, Result
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.program import main
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.verbs import Verb, VerbGroup

__all__ = ["Context", "ExitCode", "Line", "Result", "Table", "Verb", "VerbGroup", "main"]
