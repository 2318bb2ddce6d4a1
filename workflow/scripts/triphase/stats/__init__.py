"""Statistics that know nothing of brains or language models: scores, resampling, tests and their corrections."""
