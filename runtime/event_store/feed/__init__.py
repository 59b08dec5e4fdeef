"""The feed: handlers are shown each aggregate's events, in order, whatever rings and however often."""
