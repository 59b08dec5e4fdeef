"""The demo of `examples/product`."""
