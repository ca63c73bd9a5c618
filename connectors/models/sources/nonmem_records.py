"""The records of a NONMEM control stream: $THETA, $OMEGA, $SIGMA, $INPUT, $MODEL and lines of code, with their lines.

Only the first problem of a stream is read. Comments begin with ``;``. Numbers of $THETA stand alone, as ``(low, value,
high)``, with ``FIX``, repeated by ``x3``; those of $OMEGA and $SIGMA as diagonals, ``BLOCK(n)``, ``SAME``, with ``SD``,
``CORRELATION`` or ``CHOLESKY`` where they are no variances.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from connectors.models.source import SourceError, Theta

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?"
_NAMES = {
    "PROBLEM": 4, "INPUT": 3, "DATA": 4, "SUBROUTINES": 3, "MODEL": 3, "PK": 2, "PRED": 3, "DES": 3, "ERROR": 3,
    "THETA": 3, "OMEGA": 3, "SIGMA": 3, "ESTIMATION": 3, "COVARIANCE": 3, "TABLE": 3, "SIMULATION": 3, "MIX": 3,
    "ABBREVIATED": 3, "SIZES": 3, "PRIOR": 3, "MSFI": 3, "AES": 3, "INFN": 3, "BIND": 3, "CONTR": 3, "SCATTERPLOT": 4,
    "THETAP": 6, "THETAPV": 7, "OMEGAP": 6, "OMEGAPD": 7, "SIGMAP": 6, "SIGMAPD": 7, "ETAS": 4, "PHIS": 4, "LEVEL": 3,
    "NONPARAMETRIC": 3, "OMIT": 3, "DEFAULT": 3, "ANNEAL": 3, "CHAIN": 3, "INDEX": 3, "INDXS": 3, "SUPER": 3, "TOL": 3,
    "WARNINGS": 3, "RCOV": 3, "RCOVI": 5, "DESIGN": 4, "THETAI": 6, "THETAR": 6, "ETA": 3, "EST": 3,
}  # fmt: skip


@dataclass(slots=True)
class Record:
    """One record: its name in full, and its lines after the name, numbered; comments apart by line."""

    name: str
    line: int
    lines: list[tuple[int, str]] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines)


def records(text: str, file: str) -> list[Record]:
    """The records of a stream's first problem.

    Raises:
        SourceError: it has none, or one of an unknown name.
    """
    found: list[Record] = []
    for at, raw in enumerate(text.splitlines(), start=1):
        line, _, comment = raw.partition(";")
        head = re.match(r"\s*\$\s*([A-Za-z]+)(.*)", line)
        if head:
            name = _full(head[1].upper(), file, at)
            if name == "PROBLEM" and any(record.name == "PROBLEM" for record in found):
                break
            found.append(Record(name, at))
            line = head[2]
        elif not found and re.match(r"\s*PROB", line):  # what some files begin with
            found.append(Record("PROBLEM", at))
        if found:
            found[-1].lines.append((at, line))
            if comment.strip():
                found[-1].comments[at] = comment.strip()
    if not found:
        raise SourceError(file, None, "has no record ($PROBLEM, $PK, ...); this is not a control stream of NONMEM")
    _write_out(found, file)
    return found


_REPLACED = r"REPLACE\s+([A-Z]\w*(?:\([^()=]*\))?)\s*=\s*([A-Z]\w*(?:\([^()]*\))?)"


def _write_out(found: list[Record], file: str) -> None:
    """Put what $ABBREVIATED REPLACE says in the place of its short names, in all code.

    Raises:
        SourceError: it chooses by a data item.
    """
    meant: dict[str, str] = {}
    for record in of(found, "ABBREVIATED"):
        for line, text in record.lines:
            if re.search(r"\bREPLACE\b", text, re.I) is None:
                continue
            pair = re.search(_REPLACED, text, re.I)
            if pair is None or "," in pair[2]:
                said = " ".join(text.split())
                raise SourceError(file, line, f"'{said}' stands for one of several; write them out in the code")
            meant[re.sub(r"\s", "", pair[1]).upper()] = re.sub(r"\s", "", pair[2])
    if not meant:
        return
    short = "|".join(r"\s*".join(map(re.escape, re.findall(r"\w+|\W", each))) for each in sorted(meant, key=len)[::-1])
    names = re.compile(rf"(?<!\w)(?:{short})(?!\w)", re.I)

    def replaced(hit: re.Match[str]) -> str:
        return meant[re.sub(r"\s", "", hit[0]).upper()]

    for record in of(found, "PK", "PRED", "DES", "ERROR", "MIX"):
        record.lines = [(line, names.sub(replaced, text)) for line, text in record.lines]


def _full(word: str, file: str, line: int) -> str:
    if word in _NAMES:
        return {"EST": "ESTIMATION", "ETA": "ETAS"}.get(word, word)
    for name, least in _NAMES.items():
        if len(word) >= least and name.startswith(word):
            return name
    if word in ("SIML", "SIMULATE"):
        return "SIMULATION"
    if word in ("SUBS", "SUBROUTINE"):
        return "SUBROUTINES"
    raise SourceError(file, line, f"${word} is no record that is known; mend its name")


def of(found: list[Record], *names: str) -> list[Record]:
    """Records of these names, in order."""
    return [record for record in found if record.name in names]


# --- $THETA ----------------------------------------------------------------------------------------------------------


def thetas(found: list[Record], file: str) -> list[Theta]:
    """Initial values of THETA(1), THETA(2), ... as `THETA_1`.

    Raises:
        SourceError: an entry that is none, or without a value.
    """
    entries: list[Theta] = []
    for record in of(found, "THETA"):
        for line, text in _unbroken(record):
            for low, value, high, fixed, times in _entries(text, file, line):
                for _ in range(times):
                    comment = record.comments.get(line, "")
                    entries.append(Theta(f"THETA_{len(entries) + 1}", value, line, comment, low, high, fixed))
    return entries


def _unbroken(record: Record) -> list[tuple[int, str]]:
    """Lines of a record, joined where a parenthesis is open; one that a comment cut short is closed there."""
    found: list[tuple[int, str]] = []
    going = False
    for line, raw in record.lines:
        text = re.sub(
            r"\b(NUMBERPOINTS|NUMBERPTS|NUMPTS)\s*=\s*\d+|\b(NO)?ABORT(FIRST)?\b|\bNAMES\s*\([^)]*\)", "", raw
        )
        if going:
            found[-1] = (found[-1][0], f"{found[-1][1]} {text}")
        elif text.strip():
            found.append((line, text.strip()))
        going = bool(found) and found[-1][1].count("(") > found[-1][1].count(")") and line not in record.comments
    return [(line, text + ")" * (text.count("(") - text.count(")"))) for line, text in found]


_Entry = tuple[float | None, float, float | None, bool, int]


def _entries(text: str, file: str, line: int) -> list[_Entry]:
    found: list[_Entry] = []
    rest = re.sub(r"\b[A-Za-z_]\w*\s*=\s*(?=[\d(+-.])", "", text).strip(" ,")
    while rest:
        if rest.startswith("("):
            inner, _, rest = rest[1:].partition(")")
            times = re.match(r"\s*[xX](\d+)", rest)
            rest = rest[times.end() :] if times else rest
            after = re.match(r"\s*(FIX\w*)", rest, re.IGNORECASE)
            rest = rest[after.end() :] if after else rest
            found.append((*_bounded(inner, file, line, outer=bool(after)), int(times[1]) if times else 1))
        else:
            alone = re.match(rf"({_NUMBER})\s*(FIX\w*)?", rest, re.IGNORECASE)
            if alone is None:
                raise SourceError(
                    file, line, f"'{rest[:40]}' is no value of $THETA; write a number or (low, value, high)"
                )
            found.append((None, _real(alone[1]), None, bool(alone[2]), 1))
            rest = rest[alone.end() :]
        rest = rest.strip(" ,\t")
    return found


def _bounded(inner: str, file: str, line: int, *, outer: bool) -> tuple[float | None, float, float | None, bool]:
    fixed = outer or bool(re.search(r"\bFIX", inner, re.IGNORECASE))
    plain = re.sub(r"\b(FIX\w*|UNINT\w*)", "", inner, flags=re.IGNORECASE)
    parts = [part.strip() for part in re.split(r",", plain)]
    if len(parts) == 1:
        parts = plain.split()
    parts = [piece for part in parts for piece in (part.split() or [""])]
    numbers = [_bound(part, file, line) for part in parts]
    while len(numbers) > 1 and parts[-1] == "":
        numbers.pop()
        parts.pop()
    if len(numbers) == 3 and numbers[1] is None and numbers[0] is not None and numbers[2] is not None:
        raise SourceError(file, line, f"'({inner})' has bounds and no value; write the value between them")
    if not 1 <= len(numbers) <= 3:
        raise SourceError(file, line, f"'({inner})' has {len(numbers)} numbers; write (low, value, high)")
    value = numbers[0] if len(numbers) == 1 else numbers[1]
    if value is None:
        raise SourceError(file, line, f"'({inner})' has no value; write (low, value, high)")
    return (numbers[0] if len(numbers) > 1 else None, value, numbers[2] if len(numbers) == 3 else None, fixed)


def _bound(part: str, file: str, line: int) -> float | None:
    if not part or re.fullmatch(r"[-+]?INF(INITY)?", part, re.IGNORECASE):
        return None
    if not re.fullmatch(_NUMBER, part):
        raise SourceError(file, line, f"'{part}' is no number; mend it")
    return _real(part)


def _real(text: str) -> float:
    return float(text.upper().replace("D", "E"))


# --- $OMEGA and $SIGMA -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Variances:
    """Variances by position from 1 on, covariances by pairs of them, which are the same as an earlier block, and which
    are FIXed."""

    variances: dict[int, float] = field(default_factory=dict)
    covariances: dict[tuple[int, int], float] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    fixed: set[int] = field(default_factory=set)


def variances(found: list[Record], name: str, file: str) -> Variances:
    """$OMEGA or $SIGMA as variances and covariances.

    Raises:
        SourceError: entries that are no numbers, too few of a block, or SAME without a block before it.
    """
    result, size = Variances(), 0
    for record in of(found, name):
        text = " ".join(line for _, line in record.lines)
        block = re.search(r"\bBLOCK\s*(?:\(\s*(\d+)\s*\))?", text, re.IGNORECASE)
        numbers = _numbers(record, file)
        before = len(result.variances)
        same = re.search(r"\bSAME\s*(?:\(\s*(\d+)\s*\))?", text, re.IGNORECASE)
        if same:
            size = int(block[1]) if block and block[1] else size
            if not size or size > len(result.variances):
                raise SourceError(file, record.line, "says SAME, and no block stands before it; write its numbers")
            for _ in range(int(same[1]) if same[1] else 1):
                _repeat(result, size, record.line)
        elif block:
            size = int(block[1]) if block[1] else 1
            _block(result, size, numbers, text, file, record.line)
        else:
            size = 1
            squared = re.search(r"\b(SD|STANDARD)\b", text, re.IGNORECASE)
            for line, number in numbers:
                at = len(result.variances) + 1
                result.variances[at] = number**2 if squared else number
                result.lines[at] = line
        if block or same or len(numbers) == 1:
            if re.search(r"\bFIX", text, re.IGNORECASE):
                result.fixed |= set(range(before + 1, len(result.variances) + 1))
        else:
            known = {line for line, each in record.lines if re.search(r"\bFIX", each, re.IGNORECASE)}
            result.fixed |= {at for at in range(before + 1, len(result.variances) + 1) if result.lines[at] in known}
    return result


def _numbers(record: Record, file: str) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for line, raw in record.lines:
        text = re.sub(r"\b(BLOCK|DIAGONAL|DIAG|SAME|VALUES|NAMES)\s*\([^)]*\)", " ", raw, flags=re.IGNORECASE)
        text = re.sub(r"\b[A-Za-z_]\w*\s*=", " ", text)
        times = re.search(rf"\(\s*({_NUMBER})[^)]*\)\s*x\s*(\d+)", text, re.IGNORECASE)
        while times:
            text = f"{text[: times.start()]} {' '.join([times[1]] * int(times[2]))} {text[times.end() :]}"
            times = re.search(rf"\(\s*({_NUMBER})[^)]*\)\s*x\s*(\d+)", text, re.IGNORECASE)
        for word in re.split(r"[\s,()]+", text):
            if re.fullmatch(_NUMBER, word):
                found.append((line, _real(word)))
            elif word and not re.fullmatch(
                r"(FIX\w*|BLOCK|DIAG\w*|SAME|SD|STANDARD|VARIANCE|COV\w*|CORR\w*|CHOL\w*|UNINT\w*)", word, re.IGNORECASE
            ):
                raise SourceError(file, line, f"'{word}' is no number of ${record.name}; mend it")
    return found


def _repeat(result: Variances, size: int, line: int) -> None:
    start = len(result.variances)
    for at in range(start + 1, start + size + 1):
        first = result.same_as.get(at - size, at - size)
        result.variances[at], result.same_as[at], result.lines[at] = result.variances[at - size], first, line
    for (i, j), covariance in list(result.covariances.items()):
        if start - size < i <= start and start - size < j <= start:
            result.covariances[i + size, j + size] = covariance


def _block(result: Variances, size: int, numbers: list[tuple[int, float]], text: str, file: str, line: int) -> None:
    if len(numbers) != size * (size + 1) // 2:
        needed = size * (size + 1) // 2
        raise SourceError(
            file, line, f"has {len(numbers)} numbers; BLOCK({size}) needs the {needed} of its lower triangle"
        )
    lower = np.zeros((size, size))
    lower[np.tril_indices(size)] = [number for _, number in numbers]
    if re.search(r"\bCHOL", text, re.IGNORECASE):
        lower = np.tril(lower @ lower.T)
    else:
        deviations = re.search(r"\b(SD|STANDARD)\b", text, re.IGNORECASE)
        spread = np.diag(lower).copy() if deviations else np.sqrt(np.abs(np.diag(lower)))
        if re.search(r"\bCORR", text, re.IGNORECASE):
            lower = np.tril(lower * np.outer(spread, spread), -1) + np.diag(spread**2)
        elif deviations:
            lower = np.tril(lower, -1) + np.diag(spread**2)
    start = len(result.variances)
    for i in range(size):
        result.variances[start + i + 1] = float(lower[i, i])
        result.lines[start + i + 1] = numbers[i * (i + 3) // 2][0]
        for j in range(i):
            if lower[i, j] != 0:
                result.covariances[start + i + 1, start + j + 1] = float(lower[i, j])


_ROUNDED = 0.01
"""How far below 0 an eigenvalue of correlations may be for rounding to be blamed."""


def positive(found: Variances) -> float | None:
    """Shrink covariances until they are positive definite where only rounding kept them from it; how far, if at all."""
    at = sorted(word for word, variance in found.variances.items() if variance > 0 and word not in found.same_as)
    place = {word: i for i, word in enumerate(at)}
    correlations = np.eye(len(at))
    for (i, j), covariance in found.covariances.items():
        if i in place and j in place:
            size = covariance / np.sqrt(found.variances[i] * found.variances[j])
            correlations[place[i], place[j]] = correlations[place[j], place[i]] = size
    least = float(np.linalg.eigvalsh(correlations)[0]) if at else 1.0
    if least > 1e-8 or least < -_ROUNDED:
        return None
    kept = (1.0 - 1e-4) / (1.0 - least)
    found.covariances.update({pair: covariance * kept for pair, covariance in found.covariances.items()})
    return kept
