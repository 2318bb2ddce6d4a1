"""Initialisation schemes: a module per scheme."""
