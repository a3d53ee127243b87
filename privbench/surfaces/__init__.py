"""The catalogue of surfaces, what adversaries see or query: one file each."""
