"""Shared fixtures. Tests that need real data read the folder in TRIPHASE_TEST_DATA and skip where it is absent."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEST_DATA = Path(os.environ.get("TRIPHASE_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data():
    """Folder of real test data."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"real data are not in {TEST_DATA} (TRIPHASE_TEST_DATA)")
    return TEST_DATA.resolve()
