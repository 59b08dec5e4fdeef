"""Many commands through a deployed stack, and every row of it checked: ``python -m tests.faults.soak``."""
