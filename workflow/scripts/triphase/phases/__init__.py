"""Phases of training: fits of curves over log tokens, their patterns, the verdict and what it rests on."""
