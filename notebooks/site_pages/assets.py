"""Style, scripts and the one copy of Plotly's library that the site's pages load; none comes from another host."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
FILES = ("site.css", "figures.js", "iframe-worker.js")


def assets() -> dict[str, str | bytes]:
    """Contents of these files by their place in the site."""
    from plotly.offline import get_plotlyjs

    own = {f"assets/{name}": (FOLDER / name).read_text(encoding="utf-8") for name in FILES}
    return own | {"assets/plotly.min.js": get_plotlyjs()}
