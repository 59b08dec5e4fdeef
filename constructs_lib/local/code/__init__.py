"""The code of functions: what has changed, and how it is served at once."""
