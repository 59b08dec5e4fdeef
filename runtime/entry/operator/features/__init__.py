"""What operators ask of the library's own features."""
