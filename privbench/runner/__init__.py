"""Plans cells, runs them, caches their steps and writes records."""
