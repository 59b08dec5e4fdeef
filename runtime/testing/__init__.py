"""What tests of a service need. It is not in the layer: no function imports it."""
