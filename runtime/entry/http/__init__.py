"""Serving a module over HTTP."""
