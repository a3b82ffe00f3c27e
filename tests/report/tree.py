"""A page as its elements, read by the standard library's parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    """One element with its elements and texts in order."""

    name: str
    attributes: dict[str, str | None]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.parts if isinstance(part, Element)]

    @property
    def text(self) -> str:
        """All text in it, however deep; of the page itself neither style nor script."""
        if self.name in ("style", "script"):
            return ""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def all(self, name: str = "", css: str = "") -> Iterator[Element]:
        """Elements below this one, by name and class."""
        for child in self.children:
            classes = (child.attributes.get("class") or "").split()
            if name in ("", child.name) and (not css or css in classes):
                yield child
            yield from child.all(name, css)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"<{self.open[-1].name}> closed by </{tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read(page: Path) -> Element:
    """The root of the page. Raises AssertionError when elements do not nest."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == [reader.root], f"left open: {[e.name for e in reader.open]}"
    return reader.root


def shape(element: Element) -> list[tuple[str, tuple[str, ...]]]:
    """Every element's name with the names of its attributes: what markup there is."""
    return [(e.name, tuple(sorted(e.attributes))) for e in element.all()]
