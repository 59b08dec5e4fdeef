"""What is told to clients and operators."""
