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
            raise BranchError(f"'{shown(part.strip())}': begin with one of {known}, as in 'delay docetaxel 7 d'")
        else:
            changes.append(verb(_Said(part, said[1:], model, now)))
    return Branch(words.strip(), tuple(changes), tuple(measured))


class _Said:
    """The words after the verb, taken one after the other."""

    def __init__(self, part: str, words: Sequence[str], model: Model, now: int) -> None:
        self._part, self._words, self.model, self.now = part.strip(), list(words), model, now

    def wrong(self, why: str) -> BranchError:
        return BranchError(f"'{shown(self._part)}': {shown(why)}")

    def word(self, what: str) -> str:
        if not self._words:
            raise self.wrong(f"{what} is missing")
        return self._words.pop(0)

    def drug(self) -> str:
        drug = self.word("the drug")
        if drug not in self.model.drugs:
            raise self.wrong(f"'{drug}' is no drug of {self.model.id}; it has {', '.join(self.model.drugs)}")
        return drug

    def number(self, what: str) -> float:
        word = self.word(what)
        try:
            value = float(word)
        except ValueError:
            raise self.wrong(f"'{word}' is no number; write {what}") from None
        if not 0.0 <= value < 1e12:
            raise self.wrong(f"{word} cannot be {what}; write a number from 0 on")
        return value

    def quantity(self, what: str, unit: str) -> float:
        value, code = self.number(what), self.word(f"the unit of {what}")
        try:
            return convert(value, code, unit)
        except UnitError as error:
            raise self.wrong(str(error)) from None

    def hours(self, what: str) -> int:
        return round(self.quantity(what, "h") * HOUR_MS)

    def maybe(self, word: str) -> bool:
        found = bool(self._words) and self._words[0] == word
        if found:
            self._words.pop(0)
        return found

    def end(self) -> None:
        if self._words:
            raise self.wrong(f"'{' '.join(self._words)}' is too much; leave it out")

    def level(self) -> MeasuredThen:
        name = self.word("the output")
        names = [output.name for output in self.model.outputs]
        if name not in names:
            raise self.wrong(f"'{name}' is no output of {self.model.id}; it has {', '.join(names)}")
        value = self.quantity("a value", self.model.outputs[names.index(name)].unit)
        if not self.maybe("in"):
            raise self.wrong("say when, as in 'in 20 h'")
        found = MeasuredThen(self.model.outputs[names.index(name)], value, self.hours("a time"))
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
            raise said.wrong(f"nothing of {drug} runs now; name a drug that does")
        moved = [(up, how(up.step) if up.running else up.step) for up in ups]
        return tuple(replace(up, step=step) for up, step in moved if step is not None)

    said.end()
    return _of(drug, each)


def _planned(said: _Said, drug: str, how: Callable[[Upcoming], Upcoming | None], *, every: bool) -> Change:
    """Changes the next planned dose of a drug, or every one."""

    def each(ups: Doses) -> Doses:
        planned = [up for up in ups if not up.running]
        if not planned:
            raise said.wrong(f"nothing of {drug} is planned; name a drug that is, or 'give' it")
        chosen = planned if every else planned[:1]
        moved = [how(up) if up in chosen else up for up in ups]
        return tuple(up for up in moved if up is not None)

    said.end()
    return _of(drug, each)


def _stop(said: _Said) -> Change:
    return _running(said, said.drug(), lambda _: None)


def _slow(said: _Said) -> Change:
    drug, factor = said.drug(), said.number("a factor")
    if factor <= 0.0:
        raise said.wrong("a factor of 0 is no rate; say 'stop'")

    def slower(step: PlanStep) -> PlanStep:
        return replace(step, end_ms=step.start_ms + round((step.end_ms - step.start_ms) / factor))

    return _running(said, drug, slower)


def _rate(said: _Said) -> Change:
    drug, factor = said.drug(), said.number("a factor")
    return _running(said, drug, lambda step: replace(step, amount=step.amount * factor))


def _extend(said: _Said) -> Change:
    drug, more = said.drug(), said.hours("a time")

    def longer(step: PlanStep) -> PlanStep:
        span = step.end_ms - step.start_ms
        return replace(step, end_ms=step.end_ms + more, amount=step.amount * (span + more) / span)

    return _running(said, drug, longer)


def _double(said: _Said) -> Change:
    return _planned(said, said.drug(), lambda up: up.scaled(2.0), every=False)


def _scale(said: _Said) -> Change:
    drug, factor = said.drug(), said.number("a factor")
    return _planned(said, drug, lambda up: up.scaled(factor), every=said.maybe("all"))


def _skip(said: _Said) -> Change:
    return _planned(said, said.drug(), lambda _: None, every=said.maybe("all"))


def _delay(said: _Said) -> Change:
    drugs = said.model.drugs if said.maybe("all") else (said.drug(),)
    by = said.hours("a time")
    said.end()

    def apply(to_come: dict[str, Doses]) -> None:
        for drug in drugs:
            to_come[drug] = tuple(up if up.running else up.delayed(by) for up in to_come.get(drug, ()))

    return apply


def _give(said: _Said) -> Change:
    drug, amount = said.drug(), said.quantity("an amount", AMOUNT_UNIT)
    route = said.word("the route")
    if route not in ROUTES:
        raise said.wrong(f"'{route}' is no route; write one of {', '.join(ROUTES)}")
    begin = said.now + 1 + (said.hours("a time") if said.maybe("in") else 0)
    span = said.hours("a time") if said.maybe("over") else 0
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
