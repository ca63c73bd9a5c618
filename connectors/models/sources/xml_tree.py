"""XML with its lines: elements as a small tree, names without their namespaces, and no entities of a file's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from connectors.models.source import SourceError

DEEPEST = 200


@dataclass(slots=True)
class Element:
    """One element: its name, its attributes, what is in it, and the line that it begins on."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list[Element] = field(default_factory=list)
    text: str = ""

    def of(self, name: str) -> list[Element]:
        """Elements of a name right inside this one."""
        return [each for each in self.inside if each.name == name]

    def listed(self, group: str) -> Iterator[Element]:
        """Elements of a ``listOf...`` inside this one."""
        for each in self.of(group):
            yield from each.inside

    def get(self, key: str, otherwise: str = "") -> str:
        return self.attributes.get(key, otherwise)


def tree(text: str, file: str) -> Element:
    """The outermost element.

    Raises:
        SourceError: no XML, entities of its own, or elements nested too deep.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    root = Element("", 0)
    stack = [root]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            raise SourceError(file, parser.CurrentLineNumber, f"nests elements over {DEEPEST} deep; this is no model")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition(" ")[2], parser.CurrentLineNumber, plain)
        stack[-1].inside.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        stack[-1].text += data

    def refused(*_: object) -> None:
        raise SourceError(file, parser.CurrentLineNumber, "declares an entity; write out what it stands for")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = characters, refused
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise SourceError(file, error.lineno, f"is no XML: {expat.ErrorString(error.code)}; mend it") from None
    return root.inside[0]
