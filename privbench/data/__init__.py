"""Datasets, splits and checks."""
