"""What the languages of stimuli differ in."""

# Languages whose script sets no space between words.
UNSPACED = {"ja", "zh", "th", "lo", "km", "my"}


def spaced(language: str) -> bool:
    """Whether a language (its code) sets spaces between words."""
    return language.split("-")[0].lower() not in UNSPACED
