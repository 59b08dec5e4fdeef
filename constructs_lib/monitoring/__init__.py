"""What tells that something is wrong: alarms, their thresholds, and a dashboard."""
