"""The write side of a module: publishing, and what is done to commands."""
