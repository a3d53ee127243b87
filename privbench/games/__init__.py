"""The catalogue of privacy games: one file each."""
