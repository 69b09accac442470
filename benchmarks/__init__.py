"""Measurements and the long tests: commands that print both sides, never timed tests."""
