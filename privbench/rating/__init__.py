"""From results to verdicts: leakage, certification, worst cases, ranks."""
