"""Measuring: question sets, their linter, the metrics, and runs end to end."""
