"""The embedded study's own data: a language, listeners and models that are made in minutes (see `docs/tutorial.md`).

Nothing outside this package, and the two scripts that call it, knows that the embedded study's data are made here.
"""
