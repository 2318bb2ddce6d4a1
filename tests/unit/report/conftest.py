import pytest

from triphase.report.figures.style import plt


@pytest.fixture(autouse=True)
def closed():
    """No test leaves its figures to the next."""
    yield
    plt.close("all")
