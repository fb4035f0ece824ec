"""How Sphinx makes the site from these pages: `make docs`."""

from sphinx.application import Sphinx

PAGES = (
    "api",
    "coming-from-the-guide",
    "dashboard",
    "operations",
    "moving-data",
    "records",
    "architecture",
    "decisions",
    "performance",
    "attacks",
)
"""In the order of the menu. Sphinx refuses a page that isn't among them."""

project = "Message tracker"
copyright = "2026, the message-tracker authors"  # noqa: A001  Sphinx calls it so
extensions = ["myst_parser"]
myst_heading_anchors = 4  # links to headings, with the anchors that GitHub makes
highlight_language = "none"
html_theme = "alabaster"
html_title = project
html_copy_source = False
html_show_search_summary = False  # it is fetched, which browsers refuse to pages in a folder
html_show_sphinx = False
html_theme_options = {
    "description": "What became of each WhatsApp message",
    "fixed_sidebar": True,
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "page_width": "76rem",
    "body_max_width": "none",
    "show_powered_by": False,
}


def _add_menu(_app: Sphinx, page: str, text: list[str]) -> None:
    """Puts the menu into the start page. In the file GitHub would show it as code."""
    if page == "index":
        text[0] += "\n".join(["", "```{toctree}", ":hidden:", "", *PAGES, "```", ""])


def setup(app: Sphinx) -> None:
    """Is called by Sphinx."""
    app.connect("source-read", _add_menu)
