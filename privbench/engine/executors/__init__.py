"""Where guesses run: processes that do not hold the truth, and how the engine talks to them."""
