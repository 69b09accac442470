"""From a document to its readings: the two-headed model, its engines and versions."""
