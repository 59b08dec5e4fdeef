"""What is stored: keys, rows, schemas, statuses, and the models that users work with. It touches nothing."""
