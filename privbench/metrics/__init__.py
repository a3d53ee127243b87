"""The catalogue of metrics: one file each."""
