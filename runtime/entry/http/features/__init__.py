"""HTTP for the library's own features."""
