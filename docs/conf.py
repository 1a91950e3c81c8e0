"""How Sphinx builds the site from these pages and the docstrings; `just docs-site` runs it."""

import fleetfoot

project = "Fleetfoot"
release = version = fleetfoot.__version__
project_copyright = "the authors of Fleetfoot"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4  # links name headings as a forge does: #what-a-run-leaves-behind

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_ivar = True  # fields of a record as one list
autodoc_member_order = "bysource"
default_role = "literal"  # `name` in a docstring is code

html_theme = "furo"
html_title = "Fleetfoot"
