"""NONMEM control streams: $PK, $PRED, $DES and $ERROR followed statement by statement, with PREDPP's own compartments.

Read are ADVAN1 to 15 (TRANS1 to 6), $PRED, $MIX, lag, fraction, duration and rate of doses, scale of the observed
compartment, initial values, blocks and SAME of $OMEGA. What belongs to a data set and not to a model is taken apart:
tests of AMT and EVID (the last dose's amount and time are asked of the record), NEWIND, values kept from record to
record, DV as a baseline.
"""

from __future__ import annotations

import ast
import re

from connectors.models.code import Assign, Branch, Statement, fortran
from connectors.models.following import Follower
from connectors.models.formulas import ZERO, call, decided, name, number, parsed, replaced, same, value, words
from connectors.models.observing.likelihood import Likelihood
from connectors.models.observing.residuals import observe
from connectors.models.source import Entry, Eta, Level, Source, State
from connectors.models.sources.closed_forms import compartments, linear
from connectors.models.sources.nonmem_kept import named, past, unkept
from connectors.models.sources.nonmem_levels import occasion, sites
from connectors.models.sources.nonmem_mixture import classify
from connectors.models.sources.nonmem_records import Record, Variances, of, positive, records, thetas, variances

_RESERVED = frozenset(
    [
        "ID",
        "L1",
        "L2",
        "DV",
        "MDV",
        "TIME",
        "DATE",
        "DAT1",
        "DAT2",
        "DAT3",
        "EVID",
        "AMT",
        "RATE",
        "SS",
        "II",
        "ADDL",
        "CMT",
        "PCMT",
        "CALL",
        "CONT",
        "RAW_",
        "MRG_",
        "RPT_",
    ]
)
_COMPARTMENT = re.compile(r"\bCOMP\w*(?:[ \t]*=[ \t]*(?=[\w(]|$|\n)|[ \t]*(?=\()|[ \t]*(?=\n|$))(\([^)]*\)|\w*)")
_FOLLOWED = ("PRED", "PK", "ERROR")
_GENERAL = frozenset({"6", "8", "9", "13", "14", "15", "16", "17", "18"})
_RUN = {
    "ICALL": 2.0,
    "NEWIND": 0.0,
    "NEWL2": 1.0,
    "IREP": 1.0,
    "COMACT": 0.0,
    "ISFINL": 0.0,
    "NPROB": 1.0,
    "FIRSTEM": 1.0,
}


def read(text: str, file: str, drug: str) -> Source:
    """A control stream as a `Source`; doses are of ``drug``.

    Raises:
        SourceError: naming file, line, what is wrong and how to mend it.
    """
    return _Stream(text, file, drug).read()


class _Stream:
    def __init__(self, text: str, file: str, drug: str) -> None:
        self.records = records(text, file)
        self.drug = drug
        problem = of(self.records, "PROBLEM")
        title = " ".join(problem[0].lines[0][1].split()[:20]) if problem else ""
        self.source = Source("NONMEM control stream", file, re.sub(r"^PROB\w*\s*", "", title) or "no title")
        self.items, self.synonyms = self._inputs()
        self.found: list[str] = []

    def read(self) -> Source:
        source = self.source
        source.covariates = tuple(item for item in self.items if item not in _RESERVED)
        source.thetas = {each.name: each for each in thetas(self.records, source.file)}
        if not source.thetas and not of(self.records, "OMEGA"):
            raise source.wrong(None, "has no $THETA and no $OMEGA, so nothing is estimated; write them as records")
        blocks = [self._statements(of(self.records, name_of)) for name_of in _FOLLOWED]
        observed = {"DV", *(word for word, item in self.synonyms.items() if item == "DV")}
        self.code = dict(zip(_FOLLOWED, unkept(source, blocks, observed), strict=True))
        self._effects(variances(self.records, "OMEGA", source.file))
        sigma = variances(self.records, "SIGMA", source.file)
        source.sigmas = {f"EPS_{at}": found for at, found in sigma.variances.items()}
        source.together = "L2" in self.items
        source.fixed_sigmas = {f"EPS_{at}" for at in sigma.fixed}
        source.sigma_covariances = {(f"EPS_{i}", f"EPS_{j}"): c for (i, j), c in sigma.covariances.items()}
        pred = of(self.records, "PRED")
        follower = Follower(source, self._known(sigma), self._decide)
        self._mixture(follower)
        if pred:
            self._code(follower, self.code["PRED"], {"F": ZERO})
            source.states.append(State("GIVEN", ZERO, None, pred[0].line))
            self._observe(follower, pred[0].line)
            if "AMT" in self.items:
                source.entries.append(Entry("GIVEN", self.drug))
        else:
            self._compartments(follower)
        return source

    # --- what the code reads -----------------------------------------------------------------------------------------

    def _inputs(self) -> tuple[list[str], dict[str, str]]:
        items: list[str] = []
        synonyms: dict[str, str] = {}
        for record in of(self.records, "INPUT"):
            for word in re.sub(r"\s*=\s*", "=", record.text.upper()).replace(",", " ").split():
                one, _, other = word.partition("=")
                if other in ("DROP", "SKIP") or one in ("DROP", "SKIP"):
                    continue
                if other:
                    one, other = (other, one) if other in _RESERVED else (one, other)
                    synonyms[other] = one
                items.append(one)
        return items, synonyms

    def _effects(self, omega: Variances) -> None:
        source = self.source
        code = [*self.code["PK"], *self.code["PRED"]]
        for first in dict.fromkeys(omega.same_as.values()):
            repeats = [at for at, of_first in omega.same_as.items() if of_first == first]
            item = occasion(source, code, self.items, {f"ETA_{at}" for at in (first, *repeats)})
            source.occasion = source.occasion or item
            if item is None and source.every is None:  # lesions, not occasions: each varies for itself
                for at in repeats:
                    del omega.same_as[at]
        above = sites(source, of(self.records, "LEVEL"), self.items)
        for at, variance in omega.variances.items():
            first = omega.same_as.get(at, at)
            again = first in omega.same_as.values()
            word = f"ETA_{first}"
            if first == at:
                level: Level = "iov" if again else "isv" if at in above else "iiv"
                source.etas[word] = Eta(word, variance, omega.lines.get(at, 0), level, at in omega.fixed)
        if kept := positive(omega):
            source.lose(
                0, f"covariances of $OMEGA are taken {kept:.4g} times as large: as printed it is not positive definite"
            )
        for prior in of(self.records, "PRIOR"):
            source.lose(prior.line, "what $PRIOR knows of the parameters is not carried; give it to a fit with --prior")
        for (i, j), covariance in omega.covariances.items():
            if i not in omega.same_as:
                source.covariances[f"ETA_{i}", f"ETA_{j}"] = covariance
        self.same = omega.same_as

    def _known(self, sigma: Variances) -> dict[str, ast.expr]:
        found: dict[str, ast.expr] = {word: number(each) for word, each in _RUN.items()}
        found |= {synonym: name(item) for synonym, item in self.synonyms.items()}
        found |= {f"ETA_{at}": name(f"ETA_{first}") for at, first in self.same.items()}
        for at, first in self.same.items():
            found[f"ETA{at}"] = name(f"ETA_{first}")
        found |= {f"ERR_{at}": name(f"EPS_{at}") for at in sigma.variances}
        found |= {f"SIGMA_{at}_{at}": number(each) for at, each in sigma.variances.items()}
        found |= {f"SIGMA_{at}": number(each) for at, each in sigma.variances.items()}
        for word, eta in self.source.etas.items():
            place = word.removeprefix("ETA_")
            found[f"OMEGA_{place}_{place}"] = number(eta.variance)
            if eta.variance == 0:
                found[word] = ZERO
        if re.search(r"\bID\b", " ".join(r.text for r in self.records if r.name in ("PK", "PRED", "ERROR"))):
            self.source.lose(0, "what is said of single patients by their ID is left out")
        return found | {"TIME": parsed("t"), "ID": number(-1.0)}

    def _decide(self, test: ast.expr, line: int) -> ast.expr:
        if "NEWIND" in words(test):
            self.source.lose(
                line, "what NEWIND begins stays as at a patient's first record, where nothing else is said here"
            )
        return test

    def _mixture(self, follower: Follower) -> None:
        if mix := of(self.records, "MIX"):
            classify(self.source, follower, self._statements(mix), self.items, mix[0].line)

    # --- code --------------------------------------------------------------------------------------------------------

    def _statements(self, found: list[Record]) -> list[Statement]:
        lines = [line for record in found for line in record.lines]
        return fortran([(at, _without_options(text)) for at, text in lines], self.source.file)

    def _code(self, follower: Follower, found: list[Statement], known: dict[str, ast.expr]) -> None:
        follower.meaning |= known
        follower.follow([kept for each in found for kept in self._of_patient(each)])

    def _of_patient(self, statement: Statement) -> list[Statement]:
        """A statement without what it asks of data records."""
        if isinstance(statement, Assign) and same(statement.formula, name("DV")):
            return [self._baseline(statement)]
        if not isinstance(statement, Branch):
            return [statement]
        yes = [kept for each in statement.yes for kept in self._of_patient(each)]
        no = [kept for each in statement.no for kept in self._of_patient(each)]
        asked = words(statement.test)
        if asked & {"AMT", "EVID"}:
            at_dose = replaced_test(statement.test, {"AMT": 1.0, "EVID": 1.0, "MDV": 1.0})
            beside = replaced_test(statement.test, {"AMT": 0.0, "EVID": 0.0, "MDV": 0.0})
            if decided(beside) is not False:
                return yes if decided(beside) else [Branch(beside, yes, no, statement.line)]
            if decided(at_dose) is None:
                self.source.lose(statement.line, f"'{ast.unparse(statement.test)}' is taken as: where a dose was given")
            return [*no, *(self._at_dose(each) for each in yes)]
        if asked == {"TIME"} and _at_start(statement.test):
            self.source.lose(
                statement.line, "what is set at time 0 is taken to hold on, from the covariates as they stand"
            )
            return [*no, *yes]
        if yes and all(isinstance(each, Assign) and each.target in self.found for each in yes) and not no:
            return yes
        return [Branch(statement.test, yes, no, statement.line)]

    def _baseline(self, statement: Assign) -> Assign:
        """What keeps an observation: a characteristic of the patient that has to be reported."""
        word = statement.target
        if word not in self.items:
            self.items.append(word)
            self.found.append(word)
            self.source.lose(statement.line, f"{word} keeps an observed value; report it as a covariate")
        return Assign(word, name(word), statement.line)

    def _at_dose(self, statement: Statement) -> Statement:
        if isinstance(statement, Assign):
            last = {"AMT": parsed(f"dose({self.drug})"), "TIME": parsed(f"t - tad({self.drug})")}
            return Assign(statement.target, replaced(statement.formula, last), statement.line)
        return statement

    # --- compartments ------------------------------------------------------------------------------------------------

    def _compartments(self, follower: Follower) -> None:
        source = self.source
        subroutines = of(self.records, "SUBROUTINES")
        text = " ".join(record.text for record in subroutines).upper()
        advan, trans = re.search(r"ADVAN\s*=?\s*(?:ADVAN)?(\d+)", text), re.search(r"TRANS\s*=?\s*(?:TRANS)?(\d)", text)
        if not subroutines or advan is None:
            line = subroutines[0].line if subroutines else None
            raise source.wrong(line, "names no ADVAN and has no $PRED; write $SUBROUTINES ADVAN...")
        line = subroutines[0].line
        names, doses, shown = self._model()
        found = compartments(advan[1], trans[1] if trans else "1")
        if found is None and advan[1] not in _GENERAL | {"5", "7"}:
            raise source.wrong(
                line, f"ADVAN{advan[1]} with TRANS{trans[1] if trans else 1} is not read; write it as $DES with ADVAN13"
            )
        names = names or (found.names if found else [])
        if found is not None:
            doses, shown = 1, next(i for i, each in enumerate(found.names, start=1) if each == "CENTRAL")
        names = self._apart(names)
        amounts = {f"A_{i}": name(word) for i, word in enumerate(names, start=1)}
        pk = of(self.records, "PK")
        if not pk:
            raise source.wrong(line, "has no $PK, which gives the parameters of its ADVAN; write it, or use $PRED")
        self._code(follower, self.code["PK"], amounts)
        after = dict(follower.meaning)
        if found is not None:
            for word, formula in found.constants.items():
                follower.define(word, follower.resolved(formula), line)
            by_name = {word: name(names[i]) for i, word in enumerate(found.names)}
            derivatives = [follower.resolved(replaced(each, by_name)) for each in found.derivatives]
        elif advan[1] in ("5", "7"):
            derivatives = [follower.resolved(each) for each in linear(names, after).derivatives]
        else:
            derivatives = self._des(follower, names, line)
        for i, (word, derivative) in enumerate(zip(names, derivatives, strict=True), start=1):
            source.states.append(State(word, derivative, after.get(f"A_0_{i}"), line))
        if "AMT" in self.items:
            self._entry(after, names, doses)
        errors = of(self.records, "ERROR")
        if not errors:
            raise source.wrong(None, "has no $ERROR, so nothing is observed; write it, with Y")
        follower.meaning = {**follower.meaning, **after, **amounts}
        prediction = self._shown(names, after, shown, errors)
        at_observation: dict[str, ast.expr] = {"F": prediction, "EVID": ZERO, "MDV": ZERO, "AMT": ZERO}
        self._code(follower, self.code["ERROR"], at_observation)
        self._observe(follower, errors[0].line)

    def _shown(self, names: list[str], after: dict[str, ast.expr], shown: int, errors: list[Record]) -> ast.expr:
        """F: the observed compartment by its scale; which one that is the data say, where they have CMT."""

        def scaled(number_of: int) -> ast.expr:
            scale = after.get(f"S{number_of}")
            amount = name(names[number_of - 1])
            return amount if scale is None else ast.BinOp(amount, ast.Div(), scale)

        found = scaled(shown)
        if "CMT" not in self.items:
            return found
        text = " ".join(record.text for record in errors)
        asked = {int(word) for word in re.findall(r"\bCMT\s*(?:\.EQ\.|==)\s*(\d+)", text, re.IGNORECASE)}
        for at in range(len(names), 0, -1):
            if at != shown and (at in asked or f"S{at}" in after):
                found = call("where", ast.Compare(name("CMT"), [ast.Eq()], [number(float(at))]), scaled(at), found)
        return found

    def _model(self) -> tuple[list[str], int, int]:
        """Names of compartments, and by number which is dosed and which observed."""
        found: list[str] = []
        doses = shown = 0
        text = " ".join(record.text for record in of(self.records, "MODEL")).upper()
        for words_of in _COMPARTMENT.findall(re.sub(r"\bN\w*\s*=\s*\d+", "", text)):
            parts = words_of.strip("() ").replace(",", " ").split()
            found.append(parts[0] if parts and re.match(r"[A-Z]", parts[0]) else f"COMP{len(found) + 1}")
            doses = len(found) if any(part.startswith("DEFDOS") for part in parts) else doses
            shown = len(found) if any(part.startswith("DEFOBS") for part in parts) else shown
        count = re.search(r"\bNCOMP\w*\s*=\s*(\d+)", text)
        while count and len(found) < min(int(count[1]), 60):
            found.append(f"COMP{len(found) + 1}")
        doses = doses or (found.index("DEPOT") + 1 if "DEPOT" in found else 1)
        return found, doses, shown or (found.index("CENTRAL") + 1 if "CENTRAL" in found else 1)

    def _apart(self, names: list[str]) -> list[str]:
        """Names of states that nothing else in the stream is called."""
        code = " ".join(r.text for r in self.records if r.name in ("PK", "DES", "ERROR", "INPUT")).upper()
        taken = set(re.findall(r"\b[A-Z]\w*", code))
        plain = [re.sub(r"\W", "_", each) for each in names]
        apart = [f"A_{word}" if word in taken else word for word in plain]
        return [f"{word}_{at}" if apart.count(word) > 1 else word for at, word in enumerate(apart, start=1)]

    def _des(self, follower: Follower, names: list[str], line: int) -> list[ast.expr]:
        des = of(self.records, "DES")
        if not des:
            raise self.source.wrong(line, "has no $DES, which this ADVAN needs; write the DADT(1), DADT(2), ...")
        if not names:
            raise self.source.wrong(line, "has no compartments; write $MODEL COMP=(...)")
        self._code(follower, self._statements(des), {"T": parsed("t"), **past(follower.meaning)})
        found: list[ast.expr] = []
        for i in range(1, len(names) + 1):
            formula = follower.meaning.get(f"DADT_{i}")
            if formula is None and f"A({i})" in re.sub(r"\s", "", des[0].text.upper()):
                raise self.source.wrong(des[0].line, f"has no DADT({i}), and $DES reads A({i}); write it")
            if formula is None:
                self.source.lose(des[0].line, f"DADT({i}) is not given: nothing changes what is in {names[i - 1]}")
            found.append(ZERO if formula is None else formula)
        if f"DADT_{len(names) + 1}" in follower.meaning:
            raise self.source.wrong(
                des[0].line, f"has DADT({len(names) + 1}), and $MODEL has {len(names)} compartments"
            )
        return found

    def _entry(self, after: dict[str, ast.expr], names: list[str], doses: int) -> None:
        duration = after.get(f"D{doses}")
        fraction = after.get(f"F{doses}")
        if f"R{doses}" in after and duration is None and "RATE" in self.items:
            amount = parsed(f"dose({self.drug})")
            whole = amount if fraction is None else ast.BinOp(amount, ast.Mult(), fraction)
            duration = ast.BinOp(whole, ast.Div(), after[f"R{doses}"])
        if "RATE" not in self.items:
            duration = None
        lag = after.get(f"ALAG{doses}")
        self.source.entries.append(Entry(names[doses - 1], self.drug, fraction, lag, duration))
        for i in range(1, len(names) + 1):
            other = [word for word in (f"F{i}", f"ALAG{i}", f"D{i}", f"R{i}") if word in after and i != doses]
            if other:
                line = self.source.lines.get(other[0], 0)
                self.source.lose(
                    line,
                    f"{', '.join(other)} are of doses into {names[i - 1]}; here doses enter {names[doses - 1]} alone",
                )

    # --- what is observed --------------------------------------------------------------------------------------------

    def _observe(self, follower: Follower, line: int) -> None:
        y = follower.meaning.get("Y")
        if y is None:
            raise self.source.wrong(line, "defines no Y, so nothing is observed; write Y = ...")
        at = self.source.lines.get("Y", line)
        options = " ".join(record.text for record in of(self.records, "ESTIMATION")).upper()
        kind = "-2ll" if "-2LL" in options or "-2LOG" in options else "likelihood"
        self.source.covariates = tuple(item for item in self.items if item not in _RESERVED or item in ("AMT", "RATE"))
        self.source.aliases = _aliases(follower, set(self.source.thetas))
        items = {item for item in self.items if item not in ("DV", "TIME")} | {"CMT"}
        observe(self.source, y, items, at, Likelihood(kind, "DV", follower.meaning.get("F_FLAG")))
        named(self.source)


def _aliases(follower: Follower, thetas_of: set[str]) -> dict[str, str]:
    """Names that stand for a theta and nothing else, the plainest last."""
    found = {
        word: meant.id
        for word, meant in follower.meaning.items()
        if isinstance(meant, ast.Name) and meant.id in thetas_of and not re.match(r"(MU_|THETA)", word)
    }
    return dict(sorted(found.items(), key=lambda pair: (pair[0].startswith("TV"), len(pair[0])), reverse=True))


def replaced_test(test: ast.expr, values: dict[str, float]) -> ast.expr:
    """A test with numbers in the place of data items."""
    return replaced(test, {word: number(each) for word, each in values.items()})


def _at_start(test: ast.expr) -> bool:
    match test:
        case ast.Compare(ops=[ast.Eq() | ast.LtE()], comparators=[right]):
            return value(right) == 0
    return False


def _without_options(text: str) -> str:
    """A line of code without what NM-TRAN takes for itself: when $PK and $ERROR are called."""
    plain = text.strip()
    if re.fullmatch(r"\(?\s*(ONLY\s+)?OBS\w*\s*(ONLY)?\s*\)?|\(ADAPTIVE\)|CALLFL\s*=\s*-?\d+", plain, re.IGNORECASE):
        return ""
    return plain
