"""Routes of the library's own features."""
