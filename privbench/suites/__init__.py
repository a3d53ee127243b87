"""Named runs as files: what is run, with which options, and the published figures beside ours."""
