"""A small model and its tokenizer; their libraries are imported where they are asked for."""

import pytest


@pytest.fixture(scope="module")
def tokenizer():
    from extraction import small_tokenizer

    return small_tokenizer()


@pytest.fixture(scope="module")
def loaded(tokenizer):
    from extraction import small_model

    return small_model(), tokenizer
