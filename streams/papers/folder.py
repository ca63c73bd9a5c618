"""The regulatory folder: Markdown pages made of the tree and of the newest run of its tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.papers import advisories, images, licences, parts, risks, soup
from streams.papers.advisories import Answer, Except, Scan
from streams.papers.images import Image
from streams.papers.results import Run
from streams.papers.risks import FOLDER, Risks
from streams.papers.soup import Row

SEVERITY = {1: "discomfort", 2: "treatable", 3: "lasting harm", 4: "death"}
LIKELIHOOD = {1: "hardly ever", 2: "seldom", 3: "sometimes", 4: "often"}

PAGES = {
    "intended_use.md": "what it is for, and what not",
    "hazards.md": "what may harm a patient, and what is done against it",
    "threats.md": "what somebody may try, and what is done against it",
    "soup.md": "software that others made",
    "trace.md": "each risk, control and test, with its newest result",
}


@dataclass(frozen=True)
class Papers:
    """All that the pages are made of."""

    version: str
    intended_use: str
    risks: Risks
    run: Run
    soup: Sequence[Row]
    images: Sequence[Image]
    scan: Scan | None
    excused: Sequence[Except]

    def pages(self) -> dict[str, str]:
        """Every page by its file's name."""
        return {
            "README.md": self._index(),
            "intended_use.md": self.intended_use,
            "hazards.md": "# Hazards\n\n" + "\n".join(map(self._hazard, self.risks.hazards)),
            "threats.md": "# Threats\n\n" + "\n".join(map(self._threat, self.risks.threats)),
            "soup.md": self._soup(),
            "trace.md": self._trace(),
        }

    def _index(self) -> str:
        listed = "".join(f"- [{text}]({name})\n" for name, text in PAGES.items())
        made = (
            f"Made by `dosetwin papers write` of the tree and of a run of its tests, {self.run.began:%Y-%m-%d %H:%M}."
        )
        note = "Research use: nothing here claims a certificate."
        return f"# Regulatory folder of dosetwin {self.version}\n\n{made} {note}\n\n{listed}"

    def _hazard(self, entry: Mapping[str, Any]) -> str:
        cells = {
            "Situation": entry["situation"],
            "Harm": f"{entry['harm']} (severity {entry['severity']}: {SEVERITY[entry['severity']]})",
            "Likelihood with controls": f"{entry['likelihood']}: {LIKELIHOOD[entry['likelihood']]} (assumed)",
            "What is left": entry["residual"],
        }
        return self._entry(f"{entry['id']}: {entry['title']}", cells, entry["controls"])

    def _threat(self, entry: Mapping[str, Any]) -> str:
        cells = {"Kind": entry["kind"], "Against": entry["asset"], "What is left": entry["residual"]}
        return self._entry(f"{entry['id']}: {entry['threat']}", cells, entry["controls"])

    def _entry(self, title: str, cells: Mapping[str, str], controls: Iterable[Mapping[str, Any]]) -> str:
        said = "".join(f"- {name}: {text}\n" for name, text in cells.items())
        shown = [(one["what"], test, self.run.of(test)) for one in controls for test in one["tests"]]
        return f"## {title}\n\n{said}\n{table(('control', 'test', 'result'), shown)}"

    def _soup(self) -> str:
        scanned = "Not scanned for known vulnerabilities: nothing is known of them.\n"
        if self.scan is not None:
            scanned = "Known vulnerabilities:\n\n" + "".join(
                f"- {name}: {_told(answer)}\n" for name, answer in sorted(self.scan.answers.items())
            )
            scanned += "".join(
                f"- {one.part}: not scanned: {one.reason} ({one.by}, until {one.until}).\n"
                for one in self.excused
                if not one.ids
            )
        head = ("part", "version", "licence", "what it is for", "known vulnerabilities")
        listed = [
            (row.part.purl.rpartition("@")[0], row.part.version, row.licence, row.purpose, self._known(row))
            for row in self.soup
        ]
        return f"# Software that others made\n\n{scanned}\n{table(head, listed)}\n{self._images()}"

    def _images(self) -> str:
        """What containers are made of; what is inside them was not scanned."""
        listed = [
            (
                f"{one.name}:{one.tag}",
                one.digest or f"none until {one.until}: {one.reason}",
                ", ".join(one.stated) or "nobody",
            )
            for one in self.images
        ]
        note = "Not pulled here, and what is in them was not scanned. Each digest was read in the repositories named."
        return f"## Images of containers\n\n{note}\n\n{table(('image', 'digest', 'stated by'), listed)}"

    def _known(self, row: Row) -> str:
        said = "not scanned" if self.scan is None else self.scan.of(row.part)
        reasons = [
            f"{one.reason} ({one.by}, until {one.until})"
            for one in self.excused
            if one.ids and one.part == row.part.purl.rpartition("@")[0]
        ]
        return ": ".join([said, "; ".join(reasons)]) if reasons else said

    def _trace(self) -> str:
        lines = [(*line, self.run.of(line[2])) for line in self.risks.traced()]
        head = ("risk", "control", "test", "result")
        return f"# Trace\n\nResults of the run of {self.run.began:%Y-%m-%d %H:%M}.\n\n{table(head, lines)}"


def _told(answer: Answer) -> str:
    until = f"; what became known after {answer.newest} is not in it" if answer.newest else ""
    return f"{answer.parts} parts, looked up on {answer.made:%Y-%m-%d %H:%MZ} in {answer.by}{until}."


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown.

    Raises:
        ValueError: a cell is empty.
    """
    written = [head, ["---"] * len(head)]
    for line in lines:
        for name, cell in zip(head, line, strict=True):
            if not cell.strip():
                raise ValueError(f"the cell {name!r} of {line[0]!r} is empty")
        written.append([cell.replace("|", "\\|") for cell in line])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in written)


def gathered(root: Path, run: Run, version: str) -> Papers:
    """What the pages of the tree at ``root`` are made of."""
    found = soup.rows(root, parts.parts(root), licences.read(root))
    scan = advisories.read(root / advisories.KEPT)
    intended_use = (root / FOLDER / "intended_use.md").read_text(encoding="utf-8")
    return Papers(
        version, intended_use, risks.read(root), run, found, images.read(root), scan, advisories.read_exceptions(root)
    )


def gaps(papers: Papers, root: Path) -> Iterator[str]:
    """All that is left open, and keeps the folder from being written."""
    if not papers.intended_use.strip():
        yield f"{FOLDER / 'intended_use.md'}: empty; say what it is for"
    open_cells = list(risks.gaps(papers.risks, root))
    yield from open_cells
    if not open_cells:
        yield from risks.unproved(papers.risks, papers.run)
    yield from soup.gaps(root, papers.soup)
    yield from images.gaps(root, papers.images, papers.run.began.date())
    day = papers.run.began.date()
    yield from advisories.gaps(papers.scan, papers.excused, parts.parts(root), day)
