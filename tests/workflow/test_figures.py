"""Figures in the workflow: a user's own is drawn by the rule of all others and listed in the report."""

import pytest
from project import Project

from triphase.core.artefacts import write_json

OWN = """
from triphase.report.figures.table import FIGURES


@FIGURES.register(
    name="own",
    inputs=("description",),
    per_model=False,
    category="Data",
    label="what a user drew",
    caption="**Own figure** of the study {study}.",
)
def draw_own(description):
    from triphase.report.figures.style import headline, plt

    figure, panel = plt.subplots()
    headline(figure, description["unit"])
    return figure
"""
OVERLAY = {"plugins": ["own.py"]}
FIGURE = "results/tiny/figures/own.png"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a plugin, and with the one result that its figure reads."""
    project = Project(tmp_path_factory.mktemp("figures") / "project")
    (project.folder / "own.py").write_text(OWN)
    write_json(project.folder / "results/tiny/responses/description.json", {"unit": "word"})
    return project


def snakemake(project, *arguments):
    alone = ("--allowed-rules", "draw_figure")
    done = project.snakemake(FIGURE, *arguments, *alone, study="tiny", overlay=OVERLAY)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_a_users_figure_is_drawn_by_the_rule_and_is_in_the_report(project):
    before = project.planned(study="tiny")["draw_figure"]
    assert project.planned(study="tiny", overlay=OVERLAY)["draw_figure"] == before + 1
    snakemake(project)
    assert (project.folder / FIGURE).stat().st_size > 1000
    assert "word" in (project.folder / FIGURE).with_suffix(".svg").read_text()
    snakemake(project, "--report", "report.html")
    report = (project.folder / "report.html").read_text()
    for text in ("what a user drew", "Own figure", "of the study tiny"):
        assert text in report


def test_only_its_own_code_redraws_a_figure(project):
    assert "Nothing to be done" in snakemake(project)
    for file, changed in ((project.folder / "own.py", True), (figure_module(project, "power"), False)):
        text = file.read_text()
        file.write_text(f"{text}\nNEW = 1\n")
        assert ("Nothing to be done" in snakemake(project, "-n")) is not changed
        file.write_text(text)


def figure_module(project, name):
    return project.folder / f"workflow/scripts/triphase/report/figures/{name}.py"


def test_a_row_that_cannot_be_drawn_is_refused_before_any_job(project):
    (project.folder / "wrong.py").write_text(OWN.replace("description", "descriptions"))
    done = project.snakemake("-n", study="tiny", overlay={"plugins": ["wrong.py"]})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "wrong.py, line 5: the figure 'own' reads 'descriptions'; did you mean 'description'?" in done.stdout
