"""The wiring: settings, command line, daemon, API, metrics."""
