"""The catalogue of defenses: one file each."""
