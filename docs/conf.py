"""How the documentation is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "dosetwin"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
exclude_patterns = ["papers/*.toml"]
html_theme = "furo"
html_title = "dosetwin"
html_show_sourcelink = False
html_show_copyright = False

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # of tables (csv), which have no lexer

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # Types stand in the words of the docstrings; a signature shows names and defaults.
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100


def setup(app: Sphinx) -> None:
    """Make the pages that follow from the code, before any page is read."""
    from made import write

    app.connect("builder-inited", lambda _: write(HERE / "reference" / "made"))
