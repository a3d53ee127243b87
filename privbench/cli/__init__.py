"""The command line: commands, no logic of their own."""
