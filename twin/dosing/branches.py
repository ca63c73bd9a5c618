"""Branches of the future as a person says them: what is changed of what is to come, and what might be measured.

    stop fluorouracil                      what runs now stops
    slow fluorouracil 0.5                  what runs goes on at half its rate, until the same amount is in
    rate fluorouracil 1.2                  what runs goes on at 1.2 times its rate, and ends when it would have
    extend fluorouracil 6 h                what runs goes on at its rate for six hours more
    double docetaxel                       the next planned dose twice as large
    scale docetaxel 0.8                    the next planned dose times 0.8; "scale docetaxel 0.8 all": every one
    skip docetaxel                         the next planned dose is left out; "skip docetaxel all": every one
    delay docetaxel 7 d                    every planned dose a week later; "delay all 7 d": of every drug
    give pegfilgrastim 6 mg sc in 24 h     one more dose; "give X 80 mg iv in 2 h over 1 h": an infusion
    level fluorouracil_plasma 0.4 mg/L in 20 h    if this were measured then

Several that hold together are joined by a semicolon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from twin.clock import HOUR_MS
from twin.dosing.futures import Change, Upcoming
from twin.model.formula import ROUTES
from twin.model.spec import Model, OutputSpec
from twin.names import shown
from twin.record.orders import PlanStep
from twin.units import AMOUNT_UNIT, UnitError, convert
from twin.wording import Said, say

Doses = tuple[Upcoming, ...]


class BranchError(ValueError):
    """A branch that cannot be used; the message has its words and the mend."""


@dataclass(frozen=True)
class MeasuredThen:
    """A value of an output that might be measured ``after`` (ms) from now, in the output's unit."""

    output: OutputSpec
    value: float
    after: int


@dataclass(frozen=True)
class Branch:
    """A way on: its words, what it changes, and what might be measured on it."""

    words: str
    changes: tuple[Change, ...]
    measured: tuple[MeasuredThen, ...] = ()


def branch(words: str, model: Model, now: int) -> Branch:
    """A branch from its words, of a model, from ``now`` (ms) on.

    Raises:
        BranchError: words that nobody knows, a drug or output that the model has not, or a quantity that does not fit.
    """
    changes: list[Change] = []
    measured: list[MeasuredThen] = []
    for part in words.split(";"):
        said = part.split()
        verb = _VERBS.get(said[0]) if said else None
        if said and said[0] == "level":
            measured.append(_Said(part, said[1:], model, now).level())
        elif verb is None:
            known = ", ".join([*_VERBS, "level"])
            why = say("branch.verb", "begin with one of {known}, as in 'delay docetaxel 7 d'", known=known)
            raise refused(part, why)
        else:
            changes.append(verb(_Said(part, said[1:], model, now)))
    return Branch(words.strip(), tuple(changes), tuple(measured))


def refused(words: str, why: Said) -> BranchError:
    """That these words cannot be used, and why."""
    return BranchError(say("branch.refused", "'{words}': {why}", words=shown(words.strip()), why=why))


A_FACTOR = say("branch.factor", "a factor")
A_TIME = say("branch.time", "a time")
A_VALUE = say("branch.value", "a value")
AN_AMOUNT = say("branch.amount", "an amount")


class _Said:
    """The words after the verb, taken one after the other."""

    def __init__(self, part: str, words: Sequence[str], model: Model, now: int) -> None:
        self._part, self._words, self.model, self.now = part.strip(), list(words), model, now

    def wrong(self, why: Said) -> BranchError:
        return refused(self._part, why)

    def word(self, what: Said) -> str:
        if not self._words:
            raise self.wrong(say("branch.missing", "{what} is missing", what=what))
        return shown(self._words.pop(0))

    def drug(self) -> str:
        drug = self.word(say("branch.drug", "the drug"))
        if drug not in self.model.drugs:
            known = ", ".join(self.model.drugs)
            raise self.wrong(
                say(
                    "branch.no_drug",
                    "'{word}' is no drug of {model}; it has {known}",
                    word=drug,
                    model=self.model.id,
                    known=known,
                )
            )
        return drug

    def number(self, what: Said) -> float:
        word = self.word(what)
        try:
            value = float(word)
        except ValueError:
            why = say("branch.no_number", "'{word}' is no number; write {what}", word=word, what=what)
            raise self.wrong(why) from None
        if not 0.0 <= value < 1e12:
            raise self.wrong(
                say("branch.beyond", "{word} cannot be {what}; write a number from 0 on", word=word, what=what)
            )
        return value

    def quantity(self, what: Said, unit: str) -> float:
        value, code = self.number(what), self.word(say("branch.unit", "the unit of {what}", what=what))
        try:
            return convert(value, code, unit)
        except UnitError:
            raise self.wrong(
                say(
                    "branch.no_unit",
                    "'{word}' is no unit of {what}; write one like '{like}'",
                    word=code,
                    what=what,
                    like=unit,
                )
            ) from None

    def hours(self, what: Said) -> int:
        return round(self.quantity(what, "h") * HOUR_MS)

    def maybe(self, word: str) -> bool:
        found = bool(self._words) and self._words[0] == word
        if found:
            self._words.pop(0)
        return found

    def end(self) -> None:
        if self._words:
            words = shown(" ".join(self._words))
            raise self.wrong(say("branch.too_much", "'{words}' is too much; leave it out", words=words))

    def level(self) -> MeasuredThen:
        name = self.word(say("branch.output", "the output"))
        names = [output.name for output in self.model.outputs]
        if name not in names:
            raise self.wrong(
                say(
                    "branch.no_output",
                    "'{word}' is no output of {model}; it has {known}",
                    word=name,
                    model=self.model.id,
                    known=", ".join(names),
                )
            )
        value = self.quantity(A_VALUE, self.model.outputs[names.index(name)].unit)
        if not self.maybe("in"):
            raise self.wrong(say("branch.when", "say when, as in 'in 20 h'"))
        found = MeasuredThen(self.model.outputs[names.index(name)], value, self.hours(A_TIME))
        self.end()
        return found


def _of(drug: str, how: Callable[[Doses], Doses]) -> Change:
    def apply(to_come: dict[str, Doses]) -> None:
        to_come[drug] = how(to_come.get(drug, ()))

    return apply


def _running(said: _Said, drug: str, how: Callable[[PlanStep], PlanStep | None]) -> Change:
    """Changes what runs of a drug."""

    def each(ups: Doses) -> Doses:
        if not any(up.running for up in ups):
            why = say("branch.not_running", "nothing of {drug} runs now; name a drug that does", drug=drug)
            raise said.wrong(why)
        moved = [(up, how(up.step) if up.running else up.step) for up in ups]
        return tuple(replace(up, step=step) for up, step in moved if step is not None)

    said.end()
    return _of(drug, each)


def _planned(said: _Said, drug: str, how: Callable[[Upcoming], Upcoming | None], *, every: bool) -> Change:
    """Changes the next planned dose of a drug, or every one."""

    def each(ups: Doses) -> Doses:
        planned = [up for up in ups if not up.running]
        if not planned:
            raise said.wrong(
                say("branch.not_planned", "nothing of {drug} is planned; name a drug that is, or 'give' it", drug=drug)
            )
        chosen = planned if every else planned[:1]
        moved = [how(up) if up in chosen else up for up in ups]
        return tuple(up for up in moved if up is not None)

    said.end()
    return _of(drug, each)


def _stop(said: _Said) -> Change:
    return _running(said, said.drug(), lambda _: None)


def _slow(said: _Said) -> Change:
    drug, factor = said.drug(), said.number(A_FACTOR)
    if factor <= 0.0:
        raise said.wrong(say("branch.no_rate", "a factor of 0 is no rate; say 'stop'"))

    def slower(step: PlanStep) -> PlanStep:
        return replace(step, end_ms=step.start_ms + round((step.end_ms - step.start_ms) / factor))

    return _running(said, drug, slower)


def _rate(said: _Said) -> Change:
    drug, factor = said.drug(), said.number(A_FACTOR)
    return _running(said, drug, lambda step: replace(step, amount=step.amount * factor))


def _extend(said: _Said) -> Change:
    drug, more = said.drug(), said.hours(A_TIME)

    def longer(step: PlanStep) -> PlanStep:
        span = step.end_ms - step.start_ms
        return replace(step, end_ms=step.end_ms + more, amount=step.amount * (span + more) / span)

    return _running(said, drug, longer)


def _double(said: _Said) -> Change:
    return _planned(said, said.drug(), lambda up: up.scaled(2.0), every=False)


def _scale(said: _Said) -> Change:
    drug, factor = said.drug(), said.number(A_FACTOR)
    return _planned(said, drug, lambda up: up.scaled(factor), every=said.maybe("all"))


def _skip(said: _Said) -> Change:
    return _planned(said, said.drug(), lambda _: None, every=said.maybe("all"))


def _delay(said: _Said) -> Change:
    drugs = said.model.drugs if said.maybe("all") else (said.drug(),)
    by = said.hours(A_TIME)
    said.end()

    def apply(to_come: dict[str, Doses]) -> None:
        for drug in drugs:
            to_come[drug] = tuple(up if up.running else up.delayed(by) for up in to_come.get(drug, ()))

    return apply


def _give(said: _Said) -> Change:
    drug, amount = said.drug(), said.quantity(AN_AMOUNT, AMOUNT_UNIT)
    route = said.word(say("branch.route", "the route"))
    if route not in ROUTES:
        raise said.wrong(
            say("branch.no_route", "'{word}' is no route; write one of {known}", word=route, known=", ".join(ROUTES))
        )
    begin = said.now + 1 + (said.hours(A_TIME) if said.maybe("in") else 0)
    span = said.hours(A_TIME) if said.maybe("over") else 0
    said.end()
    return _of(drug, lambda ups: (*ups, Upcoming(PlanStep(begin, begin + span, amount, route))))


_VERBS: dict[str, Callable[[_Said], Change]] = {
    "stop": _stop,
    "slow": _slow,
    "rate": _rate,
    "extend": _extend,
    "double": _double,
    "scale": _scale,
    "skip": _skip,
    "delay": _delay,
    "give": _give,
}
