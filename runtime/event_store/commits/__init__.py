"""Commits: the events of one append, as they are stored."""
