"""What makes a service finish by itself what was left unfinished."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.checks import check_duration
from constructs_lib.props.environments import check_environment
from constructs_lib.props.strict_props import strict_props
from runtime.contract import HEAL_OPERATION

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["Healing"]

_SECONDS_OF_A_MINUTE: Final = 60
# EventBridge forgets a call that it could not hand over at once: the next one does the same work.
_SHORTEST_AGE: Final = Duration.minutes(1)


class Healing(Construct):
    """A rule of EventBridge that has the operator function finish what nobody has finished.

    A call that dies after its commit, a lost execution, a record that was given up: the
    command stays in the index ``open`` of its table, where the operation ``heal`` finds it.
    One run costs what is under way, however many commands the tables hold. The metric
    ``CommandsHealed`` says how often it had to act, ``Heals`` how often it came to its end;
    `CqrsMonitoring` has alarms on both.

    Example:
        >>> healing = Healing(self, "Healing", heal_every=Duration.minutes(10))
        >>> healing.connect(functions)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        heal_every: How often it looks, in whole minutes from 1 minute to 12 hours. Defaults
            to 5 minutes.

    Raises:
        InvalidPropsError: ``heal_every`` is out of range, or not a number of whole minutes.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        heal_every: Duration = Duration.minutes(5),  # noqa: B008 - immutable
    ) -> None:
        super().__init__(scope, construct_id)
        check_duration(
            "heal_every",
            heal_every,
            minimum=timedelta(minutes=1),
            maximum=timedelta(hours=12),
            hint="5 minutes is the default",
        )
        if not heal_every.is_unresolved() and heal_every.to_seconds() % _SECONDS_OF_A_MINUTE:
            msg = (
                f"heal_every must be in whole minutes, got {heal_every.to_human_string()}; "
                "EventBridge knows no smaller part of a rate"
            )
            raise InvalidPropsError(msg)
        self.heal_every = heal_every
        self.rule = events.Rule(
            self,
            "Rule",
            schedule=events.Schedule.rate(heal_every),
            description="finishes commands that nobody has finished",
        )
        acknowledge(
            self.rule,
            "a call that is lost needs no queue: the next one finds the same work",
            "Serverless-EventBusDLQ",
        )

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Have the operator function, or the one that is given, heal whenever it is time."""
        function = functions if is_own_function(functions) else functions.operator
        check_environment("rule", self.rule, function)
        self.rule.add_target(
            targets.LambdaFunction(
                function,
                event=events.RuleTargetInput.from_object({"operation": HEAL_OPERATION}),
                max_event_age=_SHORTEST_AGE,
                retry_attempts=0,
            )
        )
