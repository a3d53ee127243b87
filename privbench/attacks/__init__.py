"""The catalogue of attacks: one file each."""
