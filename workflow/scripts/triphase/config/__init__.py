"""A study's config: its schema, the rules between its keys, and the registries of data sets and models behind it."""
