"""A blog: users and posts, whose events are what is stored."""
