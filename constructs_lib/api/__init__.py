"""The HTTP API and its users."""
