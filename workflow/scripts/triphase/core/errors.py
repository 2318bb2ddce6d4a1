"""The one exception that bad input raises."""


class InputError(ValueError):
    """Something that the user can put right: it names the key, file or row, its value and what would be right."""


def one_line(error: object) -> str:
    """The message of an exception in one line: those of libraries may have several."""
    return " ".join(str(error).split())
