"""What functions log, read from the emulator, for people."""
