"""A report taken apart: tags with attributes, visible text, the embedded figures."""

import json
from html.parser import HTMLParser


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.path, self.source = path, path.read_text(encoding="utf-8")
        self.tags, self.words, self.figures, self._inside = [], [], {}, []
        self.feed(self.source)
        self.text = as_read(" ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, attrs = self._inside[-1] if self._inside else ("", {})
        if attrs.get("id") == "figures":
            self.figures = json.loads(data)
        elif tag not in ("script", "style"):
            self.words.append(data)

    def all(self, tag, **attrs):
        return [a for t, a in self.tags if t == tag and all(a.get(name) == value for name, value in attrs.items())]


def as_read(text: str) -> str:
    """Without what only keeps words and numbers on one line."""
    return " ".join(text.replace("\u2060", "").replace("\u00a0", " ").split())
