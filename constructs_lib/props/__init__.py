"""What all constructs share: checks, grants, acknowledgements."""
