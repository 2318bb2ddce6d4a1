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
    phases = read_json(page.parent / "phases.json")
    # Whatever is in the file, a run that has ended well does not fail for want of a last line.
    verdicts = {model: found["verdict"] for model, found in phases.items() if "verdict" in found}
    said = [f"{model}: three phases – {verdict}" for model, verdict in verdicts.items()]
    return "\n".join([*said, f"The answer, and the way to all else: {page}"])
