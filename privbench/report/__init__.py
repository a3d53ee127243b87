"""Shows boards: on the console, as markdown and CSV, in figures."""
