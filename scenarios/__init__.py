"""Scenario files: data only."""
