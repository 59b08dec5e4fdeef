"""Events: what they are, and how each is written and read."""
