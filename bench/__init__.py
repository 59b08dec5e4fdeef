"""Benchmarks: figures to look at, never tests. Each prints what it measured, and of what."""
