"""Named runs as files, what executes them, and their pages with published figures beside ours."""
