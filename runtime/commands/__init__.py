"""What a module offers: publishing, reading, history."""
