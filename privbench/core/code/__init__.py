"""Reading code without running it: what files import, where that is, what was typed into a notebook."""
