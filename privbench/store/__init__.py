"""Records, artefacts and pictures on disk: whole or absent, checked when read."""
