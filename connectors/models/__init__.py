"""Models that others wrote, carried over into model files: one language a module in `sources`, one shared form."""
