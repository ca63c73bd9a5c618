"""A study file: virtual patients, the arms that treat them, and the endpoints by which arms are compared.

It is TOML, checked as strictly as a model file:

    id = "docetaxel_reduced"
    title = "Docetaxel, with and without a reduction after grade 4"
    model = "docetaxel_ozawa2007"   # id, or a file beside this one
    assumed = "an example"          # or source = "..."
    patients = 200                  # of each trial; every arm treats the same ones
    trials = 100                    # how often the whole trial is repeated with other patients (1)
    days = 63
    seed = 1
    level = 0.05                    # of the tests, two-sided

    [people]                        # characteristics; what is not named is as the simulated ward draws it
    file = "people.csv"             # a row a person, drawn with all its characteristics
    [people.draw.BSA]
    distribution = "log-normal"     # or normal, uniform, choice
    mean = 1.8                      # of log-normal: the median
    sd = 0.11                       # of log-normal: of the logarithm
    low = 1.2                       # drawn again outside
    high = 2.6
    [people.draw.SEX]
    distribution = "choice"
    values = [0, 1]
    shares = [0.4, 0.6]

    [uncertainty]                   # of typical values: each trial has its own
    file = "draws.csv"              # a row a draw, a column a parameter; or
    [uncertainty.rse]
    CL = 0.06                       # SD of the logarithm

    [sampling]                      # what rules and estimators get to see
    count_days = 7.0
    missing = 0.1

    [[arms]]                        # the first is what the others are compared with
    name = "full"
    scale = 1.0                     # of every dose
    [[arms.regimens]]               # as in a model file; without, the model's own
    [[arms]]
    name = "reduced"
    [[arms.rules]]                  # see `twin.virtual.dose_rules`
    output = "neutrophils"
    below = 0.5
    scale = 0.8
    [[arms]]
    name = "advised"
    by = "twin"                     # an arm of `twin.trial.doses.arms`
    protocol = "docetaxel.toml"     # beside this file

    [dropout]
    per_day = 0.001                 # hazard
    [dropout.after]
    neutropenia_g4 = 0.1            # P(leaves at the end of a course in which it came)

    [[endpoints]]                   # see `twin.virtual.endpoints`
    name = "grade 4"
    output = "neutrophils"
    measure = "below"
    limit = 0.5
    leavers = "as seen"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from twin.model.spec import Model, ModelError
from twin.model.table import Table
from twin.trial.doses.arms import ARMS
from twin.virtual.dose_rules import DoseRule
from twin.virtual.endpoints import Endpoint, read_endpoint
from twin.virtual.people import Draw, read_draw, require_seen

MOST_PATIENTS = 1_000_000
"""Of all trials together."""

LARGEST_FILE = 100_000

FIXED = "fixed"
"""``by`` of an arm whose doses are given as planned, but for its rules."""

WAYS = (FIXED, *(arm for arm in ARMS if arm not in ("protocol", "known")))


class StudyError(ModelError):
    """A study that cannot be used: which file, which key in it, and the problem with how to mend it."""


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        scale: of every dose.
        regimens: as a model file has them, or empty: the model's own.
        by: `FIXED`, or the estimator that chooses doses, within the protocol of the file ``protocol``.
    """

    name: str
    scale: float = 1.0
    regimens: tuple[dict[str, Any], ...] = ()
    rules: tuple[DoseRule, ...] = ()
    by: str = FIXED
    protocol: str | None = None


@dataclass(frozen=True)
class Dropout:
    """Who leaves: ``per_day`` is a hazard, ``after`` by toxicity P(leaves at the end of a course in which it came)."""

    per_day: float = 0.0
    after: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class StudyPlan:
    """See the module docstring.

    Attributes:
        people_file, draws_file: names of files beside the study's, or ``None``.
        draws: by covariate, how it is drawn.
        rse: by parameter, the SD of the logarithm of its typical value from trial to trial.
        hash: of the file's text.
    """

    id: str
    title: str
    model: str
    patients: int
    trials: int
    days: float
    seed: int
    level: float
    people_file: str | None
    draws: tuple[tuple[str, Draw], ...]
    draws_file: str | None
    rse: tuple[tuple[str, float], ...]
    count_days: float
    missing: float
    arms: tuple[Arm, ...]
    dropout: Dropout
    endpoints: tuple[Endpoint, ...]
    hash: str = field(default="", compare=False)

    def checked(self, model: Model) -> StudyPlan:
        """The plan itself, if it fits the model.

        Raises:
            StudyError: the model does not have what the plan names.
        """
        outputs = [output.name for output in model.outputs]
        shown = [*outputs, *(target.state for target in model.targets if target.state is not None)]
        for i, endpoint in enumerate(self.endpoints):
            self._known(f"endpoints[{i}].output", endpoint.output, shown, "output or exposure")
        for i, arm in enumerate(self.arms):
            for k, rule in enumerate(arm.rules):
                self._known(f"arms[{i}].rules[{k}].output", rule.output, outputs, "output")
        for name, _ in self.draws:
            require_seen(model, name, self.id, f"people.draw.{name}")
            self._known(f"people.draw.{name}", name, [c.name for c in model.covariates], "covariate")
        for name, _ in self.rse:
            self._known(f"uncertainty.rse.{name}", name, [p.name for p in model.parameters], "parameter")
        for name, _ in self.dropout.after:
            self._known(f"dropout.after.{name}", name, [t.name for t in model.toxicities], "toxicity")
        return self

    def _known(self, key: str, name: str, known: list[str], what: str) -> None:
        if name not in known:
            raise StudyError(
                self.id, key, f"'{name}' is no {what} of {self.model}; it has {', '.join(known) or 'none'}"
            )


def parse_study(text: str, file: str) -> StudyPlan:
    """A study from its text, checked by itself; `StudyPlan.checked` holds it against its model.

    Raises:
        StudyError: what is wrong in it, where, and how to mend it.
    """
    if len(text) > LARGEST_FILE:
        raise StudyError(file, "", f"has {len(text)} characters; a study has at most {LARGEST_FILE}")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyError(file, "", f"is no TOML: {error}") from None
    try:
        top = Table(file, "", content)
        found = _read(top, hashlib.blake2b(text.encode(), digest_size=8).hexdigest())
        top.close()
    except StudyError:
        raise
    except ModelError as error:
        raise StudyError(error.file, error.key, error.problem) from None
    return found


def _read(top: Table, digest: str) -> StudyPlan:
    top.evidence()
    people, uncertainty = top.table("people"), top.table("uncertainty")
    sampling, dropout = top.table("sampling"), top.table("dropout")
    patients, trials = _whole(top, "patients", 1), _whole(top, "trials", 1, 1)
    if patients * trials > MOST_PATIENTS:
        raise top.wrong("trials", f"come to {patients * trials} patients; at most {MOST_PATIENTS}")
    level = top.optional_number("level", above=0.0)
    if level is not None and level >= 1.0:
        raise top.wrong("level", f"is {level:g}; a level of significance is below 1, as 0.05")
    draws_file, rse = uncertainty.optional_text("file"), uncertainty.numbers("rse", above=0.0)
    if draws_file and rse:
        raise uncertainty.wrong("rse", "stands beside 'file', which says the same; leave one of them out")
    count_days = sampling.optional_number("count_days", above=0.0)
    missing = sampling.optional_number("missing", least=0.0) or 0.0
    if missing >= 1.0:
        raise sampling.wrong("missing", f"is {missing:g}; the share of samples that are not taken is below 1")
    found = StudyPlan(
        id=top.name("id"),
        title=top.text("title"),
        model=top.text("model"),
        patients=patients,
        trials=trials,
        days=top.number("days", above=0.0),
        seed=_whole(top, "seed", 0, 1),
        level=0.05 if level is None else level,
        people_file=people.optional_text("file"),
        draws=tuple((name, read_draw(table)) for name, table in people.named("draw")),
        draws_file=draws_file,
        rse=tuple(rse.items()),
        count_days=7.0 if count_days is None else count_days,
        missing=missing,
        arms=tuple(_arms(top)),
        dropout=Dropout(dropout.optional_number("per_day", least=0.0) or 0.0, tuple(_shares(dropout, "after"))),
        endpoints=tuple(_endpoints(top)),
        hash=digest,
    )
    for table in (people, uncertainty, sampling, dropout):
        table.close()
    return found


def _whole(table: Table, key: str, least: int, usual: int | None = None) -> int:
    value = table.number(key, least=least) if usual is None else table.optional_number(key, least=least)
    if value is None:
        assert usual is not None, "only what may be left out is missing here"
        return usual
    if value != round(value):
        raise table.wrong(key, f"is {value:g}; write a whole number")
    return int(value)


def _shares(table: Table, key: str) -> Iterator[tuple[str, float]]:
    for name, share in table.numbers(key, above=0.0).items():
        if share > 1.0:
            raise table.wrong(f"{key}.{name}", f"is {share:g}; a probability is at most 1")
        yield name, share


def _arms(top: Table) -> Iterator[Arm]:
    seen: set[str] = set()
    for table in top.listed("arms"):
        name = table.text("name")
        if name in seen:
            raise table.wrong("name", f"'{name}' is the name of two arms; write another one")
        seen.add(name)
        scale = table.optional_number("scale", above=0.0)
        by = table.choice("by", WAYS) if table.has("by") else FIXED
        protocol = table.optional_text("protocol")
        rules = tuple(DoseRule.read(rule) for rule in table.listed("rules"))
        if (by == FIXED) != (protocol is None):
            raise table.wrong(
                "protocol", f"goes with 'by', one of {', '.join(WAYS[1:])}, and neither without the other"
            )
        if rules and by != FIXED:
            raise table.wrong("rules", f"cannot stand beside by = '{by}', which chooses every dose; make it two arms")
        yield Arm(name, 1.0 if scale is None else scale, tuple(table.as_written("regimens")), rules, by, protocol)
    if not seen:
        raise top.wrong("arms", "is missing; write at least one [[arms]] with a name")


def _endpoints(top: Table) -> Iterator[Endpoint]:
    seen: set[str] = set()
    for table in top.listed("endpoints"):
        endpoint = read_endpoint(table)
        if endpoint.name in seen:
            raise table.wrong("name", f"'{endpoint.name}' is the name of two endpoints; write another one")
        seen.add(endpoint.name)
        yield endpoint
    if not seen:
        raise top.wrong("endpoints", "is missing; write at least one [[endpoints]]")
