"""The demo of `examples/todo`."""
