"""Things to do: the example service."""
