"""Resampling, intervals, and what the choice of seeds adds: mathematics on tensors."""
