"""Pictures: privacy against utility, ROC curves, galleries."""
