"""Where documents come in: sources, cleaning, identity, dead letters, the loop."""
