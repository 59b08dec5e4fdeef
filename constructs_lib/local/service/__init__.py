"""A service that is deployed to an emulator: where it is, and how to call it."""
