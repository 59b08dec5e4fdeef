"""The Lambda layers, built without Docker."""
