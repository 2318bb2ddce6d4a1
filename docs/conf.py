"""The documentation site: `make docs` builds it into docs/_build; warnings are errors, and no network is asked."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

project = "triphase"
author = copyright = "the developers of triphase"
release = importlib.metadata.version("triphase")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "triphase"
# Formulas are drawn by the reader's browser; everything else comes with the site.
templates_path = []
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
# YAML of Snakemake's and output of commands are shown as they are.
highlight_language = "none"
