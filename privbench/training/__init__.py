"""Training of one model or of many."""
