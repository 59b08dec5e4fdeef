"""Dispatch, as in atomservices: events that are built, stored, put on a bus and handled.

From the top: a `Service` appends an event to an `EventStore`, then gives it to an `EventBus`, which calls the
handlers of its name. The store may be the one that aggregates and commands work on: a dispatched event is a
commit of one event.

The public names are loaded from `runtime`, each when it is first used.
"""
