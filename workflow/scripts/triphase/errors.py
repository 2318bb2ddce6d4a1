"""The one exception that bad input raises."""


class InputError(ValueError):
    """Something that the user can put right: it names the key, file or row, its value and what would be right."""
