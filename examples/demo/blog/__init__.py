"""The demo of `examples/blog`."""
