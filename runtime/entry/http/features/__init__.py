"""The routes of the features."""
