"""The Lambda functions, their roles and their environment."""
