"""The pages that a reader meets: the README is short, every link leads somewhere, and the site builds."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from project import ROOT

from triphase.core.provenance import VERSION

PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("*/*/README.md"),
    ]
    if not {"_build", ".venv", ".snakemake"} & set(path.relative_to(ROOT).parts)
)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_there(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    files = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in files if not (page.parent / target).exists()] == []


def test_the_site_builds_without_a_warning(tmp_path):
    """As `make docs` does it; whatever it warns of is an error."""
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", str(tmp_path / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/how_to/own_data.html").is_file()


def test_the_release_has_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    head = re.search(r"^## (.+), (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    assert citation["version"] == version == head[1] == VERSION
    assert head[2] in (str(citation["date-released"]), "unreleased")
