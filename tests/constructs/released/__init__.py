"""Templates as the last release made them, in JSON, and what makes them.

At a release, and never to make a test green: ``.venv/bin/python -m tests.constructs.released``
"""
