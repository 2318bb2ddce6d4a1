"""The documentation site: `make docs` builds it into docs/_build; warnings are errors, and no network is asked."""

import importlib.metadata
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

project = "triphase"
author = copyright = "the developers of triphase"
release = importlib.metadata.version("triphase")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "triphase"
templates_path = []
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
# YAML of Snakemake's and output of commands are shown as they are.
highlight_language = "none"


def _draw(translator, node, block):
    translator.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


def setup(app):
    """Formulas as MathML, which browsers draw without a script: the site asks for no network."""
    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: _draw(translator, node, False), None),
        (lambda translator, node: _draw(translator, node, True), None),
    )
