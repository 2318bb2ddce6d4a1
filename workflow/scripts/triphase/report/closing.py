"""What is said at the end of a run: the verdicts, and the page to open."""

from pathlib import Path

from triphase.core.artefacts import read_json


def closing_lines(results: str | Path) -> str | None:
    """The verdict of each model and where to read on, as text; None where the study has no first page yet.

    Parameters
    ----------
    results : the study's results folder
    """
    page = Path(results) / "index.html"
    if not page.is_file():
        return None
    verdicts = [
        f"{model}: three phases – {found['verdict']}" for model, found in read_json(page.parent / "phases.json").items()
    ]
    return "\n".join([*verdicts, f"The answer, and the way to all else: {page}"])
