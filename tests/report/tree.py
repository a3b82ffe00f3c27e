"""A page as its elements, read by the standard library's parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    """One element; `text` is what stands in it and below it."""

    name: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.own) + "".join(child.text for child in self.children)

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
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"<{self.open[-1].name}> closed by </{tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].own.append(data)


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
