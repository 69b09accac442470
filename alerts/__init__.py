"""From readings to alerts and deliveries: windows, detectors, episodes, sinks."""
