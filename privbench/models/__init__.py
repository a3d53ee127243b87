"""The catalogue of classifiers: one file each."""
