"""Plans cells, fits and deploys defenses, lets attacks guess, scores what they guess."""
