"""Aggregates: what events make of them, how they are loaded, and how they are appended to."""
