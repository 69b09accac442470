"""From labels to a better model: data sets, fine-tuning, export."""
