"""A finished study as a Python object, for notebooks and scripts of one's own."""
