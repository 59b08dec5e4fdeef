"""The composition of all constructs into one stack."""
