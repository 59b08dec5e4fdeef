"""What happens to a command after it was published."""
