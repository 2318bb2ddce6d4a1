"""Hidden states of every word: tokens, windows of context, pooling and extraction."""
