"""How the reference page is built: `make docs`."""

from __future__ import annotations

project = "dosetwin"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "dosetwin in Python"
html_show_sourcelink = False
html_show_copyright = False

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # Types stand in the words of the docstrings; a signature shows names and defaults.
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100
