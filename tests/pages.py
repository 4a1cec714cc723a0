"""HTML pages of reports, as tests read them."""

import json
import re
from html.parser import HTMLParser

from plotly.offline import get_plotlyjs


class Page(HTMLParser):
    """Elements with their attributes, and the text in each kind of element; checks that tags are nested."""

    VOID = ("meta", "link", "img", "br", "input", "hr")

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        return [text for name, text in self.texts if name == tag]

    def scripts(self):
        """The page's own scripts: all but the embedded library."""
        library = get_plotlyjs()
        found = self.text("script")
        assert found.count(library) == 1
        return [script for script in found if script != library]

    def figures(self):
        """Data and layout by id, read back from the scripts."""
        figures = {}
        for script in self.scripts():
            drawn = re.search(r'Plotly\.newPlot\(\s*"([^"]+)",\s*(.*)', script, re.S)
            if drawn is None:
                continue
            name, rest = drawn.groups()
            data, end = json.JSONDecoder().raw_decode(rest)
            layout, _ = json.JSONDecoder().raw_decode(rest[end:].lstrip(" ,\n"))
            figures[name] = data, layout
        return figures
