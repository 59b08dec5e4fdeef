"""Commands: what is asked of an aggregate, and what it decides."""
