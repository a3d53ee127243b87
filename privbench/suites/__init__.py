"""Named runs as files, and what executes them."""
