"""Constructs of what a service has beside its modules."""
