"""mrgsolve model specifications: $PARAM, $CMT, $INIT, $MAIN, $ODE, $PKMODEL, $OMEGA, $SIGMA, $TABLE, annotated or not.

Parameters that are called as covariates usually are, and those that $INPUT or ``@covariates`` name, become covariates.
What $TABLE computes with an EPS is observed; where nothing has one, what it captures of the states is, with an error
that is assumed and said.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace

from connectors.models.characteristics import usual
from connectors.models.code import Assign, Statement, braced
from connectors.models.following import Follower
from connectors.models.formulas import ZERO, name, number, parsed, reads
from connectors.models.observing.likelihood import Likelihood
from connectors.models.observing.residuals import observe
from connectors.models.source import Entry, Eta, Observed, Scatter, Source, State, Theta
from connectors.models.sources.nonmem_records import Record, variances
from connectors.models.sources.pk_names import build

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[Ee][-+]?\d+)?"
_TYPES = r"(?:(?:capture|const|double|int|bool|auto|static|localdouble|local)\s+)*"
_ALIASES = {"PK": "MAIN", "DES": "ODE", "ERROR": "TABLE", "THETA": "PARAM", "VCMT": "CMT", "INPUT": "INPUT"}


@dataclass(slots=True)
class Block:
    """One block: its name, its line, the options on its line, and its text from there on."""

    name: str
    line: int
    options: set[str] = field(default_factory=set)
    lines: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines)


def read(text: str, file: str, drug: str) -> Source:
    """A model specification as a `Source`; doses are of ``drug``.

    Raises:
        SourceError: naming file, line, what is wrong and how to mend it.
    """
    return _Specification(text, file, drug).read()


class _Specification:
    def __init__(self, text: str, file: str, drug: str) -> None:
        self.source = Source("mrgsolve model", file, "no title")
        self.drug = drug
        self.blocks = _blocks(text)
        self.captured: list[str] = []

    def read(self) -> Source:
        source = self.source
        for block in self._of("PROB"):
            words_of = " ".join(block.text.split()).lstrip("# ")
            source.title = words_of[:120] or source.title
        follower = Follower(source, {"TIME": parsed("t"), "SOLVERTIME": parsed("t"), "NEWIND": ZERO, "EVID": ZERO})
        self._parameters()
        self._effects(follower)
        compartments = self._compartments()
        main = self._statements("MAIN", "PRED")
        follower.follow(main)
        after = dict(follower.meaning)
        self._states(follower, compartments, after)
        if source.states:
            first = source.states[0].name
            pieces = [after.get(f"{key}_{first}") for key in ("F", "ALAG", "D")]
            source.entries.append(Entry(first, self.drug, *pieces))
        for state in source.states[1:]:
            if f"F_{state.name}" in after or f"ALAG_{state.name}" in after:
                source.lose(state.line, f"doses into {state.name}: here doses enter {source.states[0].name} alone")
        table = self._statements("TABLE")
        follower.follow(table)
        self._observe(follower, table)
        return source

    def _of(self, *names: str) -> list[Block]:
        return [block for block in self.blocks if block.name in names]

    # --- declarations ------------------------------------------------------------------------------------------------

    def _parameters(self) -> None:
        source = self.source
        told = {word for block in self._of("INPUT", "COVARIATES") for word in re.findall(r"[A-Za-z]\w*", block.text)}
        covariates: list[str] = []
        for block in self._of("PARAM", "INPUT", "FIXED"):
            for line, word, value, comment in _entries(block):
                if value is None:
                    raise source.wrong(line, f"{word} has no value in ${block.name}; write {word} = a number")
                if word in told or "covariates" in block.options or usual(word) is not None:
                    covariates.append(word)
                    source.references[word] = value
                    continue
                unit = re.search(r"[(\[]([^()\[\]]+)[)\]]\s*$", comment)
                source.thetas[word] = Theta(word, value, line, comment, unit=unit[1] if unit else None)
        if not source.thetas:
            raise source.wrong(None, "has no $PARAM with numbers; write $PARAM CL = 5, V = 40")
        source.covariates = tuple(dict.fromkeys(covariates))

    def _effects(self, follower: Follower) -> None:
        source = self.source
        for kind, prefix in (("OMEGA", "ETA"), ("SIGMA", "EPS")):
            count = 0
            for block in self._of(kind):
                labels, record = _matrix(block)
                found = variances([record], kind, source.file)
                for at, variance in found.variances.items():
                    word = f"{prefix}_{count + at}"
                    if kind == "OMEGA":
                        source.etas[word] = Eta(word, variance, found.lines[at])
                    else:
                        source.sigmas[word] = variance
                    meaning = ZERO if variance == 0 and kind == "OMEGA" else name(word)
                    follower.meaning[word] = meaning
                    if at <= len(labels):
                        follower.meaning[labels[at - 1]] = meaning
                into = source.covariances if kind == "OMEGA" else source.sigma_covariances
                for (i, j), covariance in found.covariances.items():
                    into[f"{prefix}_{count + i}", f"{prefix}_{count + j}"] = covariance
                count += len(found.variances)

    def _compartments(self) -> dict[str, tuple[int, float]]:
        found: dict[str, tuple[int, float]] = {}
        for block in self._of("CMT", "INIT"):
            for line, word, value, _ in _entries(block, bare=True):
                found[word] = line, value or 0.0
        return found

    def _states(
        self, follower: Follower, compartments: dict[str, tuple[int, float]], after: dict[str, ast.expr]
    ) -> None:
        source = self.source
        own = self._of("PKMODEL")
        if own:
            words_of = re.search(r"cmt\s*=\s*[\"']([^\"']+)[\"']", own[0].text)
            names = re.split(r"[\s,]+", words_of[1].strip()) if words_of else list(compartments)
            depot = bool(re.search(r"depot\s*=\s*T", own[0].text)) or (
                len(names) > 1 and "KA" in {*after, *source.thetas}
            )
            roles = (
                ["depot", "central", "peripheral1", "peripheral2"]
                if depot
                else ["central", "peripheral1", "peripheral2"]
            )
            known = {*source.thetas, *source.definitions, *after}
            known = known if depot else {word for word in known if word.upper() != "KA"}
            if build(source, known, dict(zip(roles, names, strict=False)), own[0].line) is None:
                raise source.wrong(
                    own[0].line, "has a $PKMODEL, and no CL and V are defined; write them in $PARAM or $MAIN"
                )
            source.states = [replace(s, derivative=follower.resolved(s.derivative)) for s in source.states]
            return
        follower.follow(self._statements("ODE"))
        for word, (line, start) in compartments.items():
            derivative = follower.meaning.get(f"dxdt_{word}")
            if derivative is None:
                raise source.wrong(line, f"{word} has no dxdt_{word} in $ODE; write it")
            initial = after.get(f"{word}_0", number(start) if start else None)
            source.states.append(State(word, derivative, initial, line))
        if not source.states:
            raise source.wrong(None, "has no compartments; write $CMT, or $PKMODEL")

    # --- code --------------------------------------------------------------------------------------------------------

    def _statements(self, *names: str) -> list[Statement]:
        found: list[Statement] = []
        defines = [
            (rf"\b{word}\b", f"({meant})")
            for block in self._of("GLOBAL", "PREAMBLE")
            for word, meant in re.findall(r"^\s*#define\s+(\w+)\s+(.+?)\s*$", block.text, re.MULTILINE)
        ]
        for block in self._of(*names):
            text = block.text
            for pattern, by in reversed(defines):
                text = re.sub(pattern, by, text)
            text = re.sub(r"\bself\.\w+", "0", re.sub(r"\b(ETA|EPS|THETA)\((\d+)\)", r"\1_\2", text))
            self.captured += re.findall(r"\bcapture\s+(\w+)", text)
            first = block.lines[0][0] if block.lines else block.line
            found += braced(text, first, "c", self.source.file, _target)
        return found

    def _observe(self, follower: Follower, table: list[Statement]) -> None:
        source = self.source
        for block in self._of("CAPTURE"):
            self.captured += re.findall(r"[A-Za-z]\w*", block.text)
        line = self._of("TABLE")[0].line if self._of("TABLE") else 0
        told = [each.target for each in table if isinstance(each, Assign)]
        scattered = [word for word in dict.fromkeys(told) if self._reads(follower, word, set(source.sigmas))]
        for word in [word for word in scattered if word in self.captured] or scattered:
            before = len(source.observed)
            likelihood = Likelihood("likelihood", "OBSERVED")
            observe(source, follower.meaning[word], {"CMT", "EVID"}, source.lines.get(word, line), likelihood)
            for at in range(before, len(source.observed)):
                own = source.observed[at].name.replace("dv", word.lower(), 1)
                source.observed[at] = replace(source.observed[at], name=own)
        if source.observed:
            return
        states = {state.name for state in source.states}
        assumed = Scatter((("proportional", 0.2),), "the source has no residual error; a round number stands in")
        for word in dict.fromkeys([*self.captured, *told]):
            if word in follower.meaning and self._reads(follower, word, states):
                source.observed.append(
                    Observed(word.lower(), follower.meaning[word], assumed, source.lines.get(word, line))
                )
        if not source.observed:
            raise source.wrong(line or None, "observes nothing: no $TABLE or $CAPTURE reads a compartment; write one")
        source.lose(line, "the source has no residual error; 20 % of the value is assumed")

    def _reads(self, follower: Follower, word: str, wanted: set[str]) -> bool:
        return reads(follower.meaning.get(word, ZERO), wanted, self.source.definitions)


def _target(left: str) -> str | None:
    plain = re.sub(rf"^{_TYPES}", "", left)
    return plain if re.fullmatch(r"[A-Za-z]\w*", plain) else None


def _blocks(text: str) -> list[Block]:
    found: list[Block] = []
    for at, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"//.*", "", raw)
        head = re.match(r"\s*(?:\$\s*(\w+)|\[\s*(\w+)\s*\])(.*)", line)
        if head:
            word = (head[1] or head[2]).upper()
            found.append(Block(_ALIASES.get(word, word), at))
            line = head[3]
        if found:
            found[-1].options |= set(re.findall(r"@(\w+)", line))
            labels = re.search(r"@labels\s+(.*)", line)
            if labels:
                found[-1].lines.append((at, f"@labels {labels[1]}"))
            plain = re.sub(r"@\w+.*", "", line)
            if plain.strip():
                found[-1].lines.append((at, plain))
    return found


def _entries(block: Block, *, bare: bool = False) -> list[tuple[int, str, float | None, str]]:
    """Names with their values and comments: ``CL : 5 : clearance`` where annotated, else ``CL = 5, V = 40``."""
    found: list[tuple[int, str, float | None, str]] = []
    for line, text in block.lines:
        if "annotated" in block.options:
            parts = [part.strip() for part in text.split(":")]
            number_of = re.fullmatch(_NUMBER, parts[1]) if len(parts) > 1 else None
            comment = ": ".join(parts[2:] if number_of else parts[1:])
            if re.fullmatch(r"[A-Za-z]\w*", parts[0]):
                found.append((line, parts[0], float(number_of[0]) if number_of else None, comment))
        elif bare and "=" not in text:
            found += [(line, word, None, "") for word in re.findall(r"[A-Za-z]\w*", text)]
        else:
            for word, value in re.findall(r"([A-Za-z]\w*)\s*[=:]\s*([^,;\s]+)", text):
                plain = re.fullmatch(_NUMBER, value)
                found.append((line, word, float(value) if plain else None, ""))
    return found


def _matrix(block: Block) -> tuple[list[str], Record]:
    """Labels and numbers of $OMEGA or $SIGMA, the latter as NONMEM has them."""
    labels: list[str] = []
    lines: list[tuple[int, str]] = []
    for line, text in block.lines:
        if text.startswith("@labels"):
            labels += re.findall(r"[A-Za-z]\w*", text[len("@labels") :])
        elif "annotated" in block.options and ":" in text:
            parts = text.split(":")
            labels.append(parts[0].strip())
            lines.append((line, parts[1]))
        else:
            lines.append((line, text))
    numbers = re.findall(_NUMBER, " ".join(text for _, text in lines))
    size = round(((8 * len(numbers) + 1) ** 0.5 - 1) / 2)
    kind = {"correlation": " CORRELATION"}
    block_like = {"block", "correlation", "cor"} & block.options
    head = f"BLOCK({size}){''.join(kind.get(each, '') for each in sorted(block_like))}" if block_like else ""
    return labels, Record(block.name, block.line, [(block.line, head), *lines])
