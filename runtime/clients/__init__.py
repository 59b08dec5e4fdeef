"""The AWS services that the runtime talks to, apart from the store."""
