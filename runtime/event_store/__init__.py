"""Event sourcing: typed aggregates, the events that make them, commands that decide, handlers that follow.

From the top: a `Domain` binds aggregates to a `Provider`; `Commands` load an aggregate, decide, and append
what happened; a handler is shown each aggregate's events in order. An append is one `Commit`: one row, put
on the condition that nobody has appended since the aggregate was read.

The public names are loaded from `runtime`, each when it is first used.
"""
