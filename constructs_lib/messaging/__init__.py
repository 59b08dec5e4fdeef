"""What tells clients and operators."""
