"""privbench: does a visual-privacy defense protect anything?"""

__version__ = "0.1.0"
