"""The desk: every cause for advice is answered once, by what is believed at its moment, and again when that changes.

    for each cause in (answered until, now], in order:
        answer = adviser(what is believed at the cause's moment)

Where a fold is set back, what was answered since then is answered again: the same facts end in the same advice, in
whatever order they came, under the same ids. What has no cause any more is withdrawn. Advice leaves no trace in a
belief; rules see what the newest plan or level made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from twin.alerts.snapshot import AdviceView
from twin.events import Advice, AdviceCause, encode, event_id, from_millis
from twin.model.spec import Model
from twin.patient.accounts.component import Component
from twin.patient.advising.causes import Cause, causes
from twin.record.history import History
from twin.record.orders import Orders
from twin.timeline.timeline import Timeline
from twin.wording import say

BEFORE_ALL = -(2**62)
"""Before any cause (ms)."""

Believed = Callable[[], Sequence[Component]]
"""What is believed at a cause's moment, worked out where it is asked for."""


@dataclass(frozen=True)
class Answer:
    """What an adviser says to a cause.

    Attributes:
        drug, protocol: of what, and by which protocol; ``""`` where none could be chosen.
        said: the fields of the `Advice`, beside who, when and why; ``None``: there is nothing to say.
        view: what rules may know of it; ``None`` where there is nothing to judge.
    """

    drug: str
    protocol: str
    said: Mapping[str, Any] | None
    view: AdviceView | None


class Adviser(Protocol):
    """Who advises, by the protocols of a ward; a pure function."""

    def live(self, models: Sequence[Model]) -> Set[str]:
        """Which of ``plan`` and ``level`` are causes by a protocol that fits one of the models."""

    def hash_of(self, models: Sequence[Model]) -> str:
        """Names all protocols that may be used with the models."""

    def answers(
        self,
        cause: Cause,
        model: Model,
        believed: Believed,
        ordered: Mapping[str, tuple[str, str]],
        before: Mapping[str, AdviceView],
    ) -> Sequence[Answer]:
        """What there is to say; of a request, always one answer.

        Args:
            cause: why.
            model: the first of those that are believed in.
            believed: what is.
            ordered: by which protocol and for which ward each drug was ordered.
            before: by drug, what rules know of advice by now.
        """


class Advised(msgspec.Struct, frozen=True, array_like=True):
    """An answer that was given: to which cause, under which id, and what rules may know of it."""

    millis: int
    cause: str
    about: AdviceCause
    time_ms: int
    advice_id: str
    drug: str
    protocol: str
    said: bool
    view: AdviceView | None = None


class DeskState(msgspec.Struct, frozen=True, array_like=True):
    """All answers so far, in order, until when (ms) causes were answered, and by which protocols."""

    adviser: str = ""
    until: int = BEFORE_ALL
    answers: tuple[Advised, ...] = ()


NO_ADVICE = DeskState()
"""Of a desk at which nothing was answered."""


class Recorded(Protocol):
    """A record, of which a belief is folded."""

    @property
    def history(self) -> History: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def timelines(self) -> Iterable[Timeline | None]:
        """As each model has it."""


class Desk:
    """See the module docstring.

    Args:
        adviser: who answers; ``None``: nobody does, and what was answered stands.
        patient_id, model, model_hash: whom and what the advice is of.
        models: whose belief it is.
        state: of a desk that is taken up again.
    """

    def __init__(
        self,
        adviser: Adviser | None,
        patient_id: str,
        model: str,
        model_hash: str,
        models: Sequence[Model],
        state: DeskState | None = None,
    ) -> None:
        self._adviser = adviser
        self._head: dict[str, Any] = {
            "patient_id": patient_id,
            "source": "dosetwin",
            "model": model,
            "model_hash": model_hash,
        }
        self._models = models
        self._live = frozenset() if adviser is None else frozenset(adviser.live(models))
        known = NO_ADVICE if state is None else state
        self._hash = known.adviser if adviser is None else adviser.hash_of(models)
        self._said: list[Advice] = []
        self._gone: dict[str, Advised] = {}
        self._until = known.until
        self._answers = list(known.answers)
        if known.adviser != self._hash:
            self.set_back(BEFORE_ALL)

    @property
    def state(self) -> DeskState:
        """All that a row keeps."""
        return DeskState(self._hash, self._until, tuple(self._answers))

    def set_back(self, since: int) -> None:
        """Forget the answers from ``since`` (ms) on: those causes are met again."""
        self._until = min(self._until, since - 1)
        while self._answers and self._answers[-1].millis >= since:
            gone = self._answers.pop()
            self._gone[gone.advice_id] = gone

    def answer(self, record: Recorded, until: int, believed: Callable[[int], Sequence[Component]]) -> None:
        """Answer every cause until then (ms); ``believed`` is told the moment (ms)."""
        if self._adviser is None or until <= self._until:
            return
        for cause in causes(
            record.history, record.orders, record.timelines, self._live, after=self._until, until=until
        ):
            known: list[Sequence[Component]] = []

            def here(cause: Cause = cause, known: list[Sequence[Component]] = known) -> Sequence[Component]:
                if not known:
                    known.append(believed(cause.millis))
                return known[0]

            ordered = record.orders.ordered(cause.millis)
            for answer in self._adviser.answers(cause, self._models[0], here, ordered, self._standing(cause.millis)):
                self._give(cause, answer)
        self._until = until

    def views(self, millis: int) -> tuple[AdviceView, ...]:
        """What rules may know at ``millis``."""
        return tuple(view for _, view in sorted(self._standing(millis).items()))

    def close(self) -> list[Advice]:
        """What was said since this was asked last, and what is withdrawn, now that all causes were met again."""
        said, self._said = self._said, []
        again = {advice.advice_id for advice in said}
        gone, self._gone = self._gone, {}
        said += [self._withdrawal(one) for one in gone.values() if one.said and one.advice_id not in again]
        return sorted(said, key=lambda advice: (advice.time, advice.advice_id))

    def _standing(self, millis: int) -> dict[str, AdviceView]:
        """By drug, what the newest plan or level of up to then made of it: asking alone changes nothing."""
        found: dict[str, AdviceView] = {}
        for one in self._answers:
            if one.millis > millis:
                break
            if one.about == "request":
                continue
            found.pop(one.drug, None)
            if one.view is not None:
                found[one.drug] = one.view
        return found

    def _give(self, cause: Cause, answer: Answer) -> None:
        head = self._head
        advice_id = event_id(
            "advice", head["patient_id"], cause.event_id, answer.drug, answer.protocol, head["model_hash"]
        )
        given = Advised(
            cause.millis,
            cause.event_id,
            cause.about,
            cause.time_ms,
            advice_id,
            answer.drug,
            answer.protocol,
            answer.said is not None,
            None if cause.about == "request" else answer.view,
        )
        self._answers.append(given)
        if answer.said is not None:
            self._said.append(self._event(given, answer.said))

    def _withdrawal(self, one: Advised) -> Advice:
        reason = say("advice.withdrawn", "Withdrawn: late, corrected or retracted data removed the cause.")
        return self._event(one, {"outcome": "withdrawn", "reason": str(reason), "said": reason.wording})

    def _event(self, given: Advised, said: Mapping[str, Any]) -> Advice:
        """The answer as it goes on the wire; what says something else has another id."""
        advice = Advice(
            **self._head,
            event_id=given.advice_id,
            time=from_millis(given.time_ms),
            advice_id=given.advice_id,
            cause=given.cause,
            about=given.about,
            drug=given.drug,
            protocol=given.protocol or None,
            **said,
        )
        content = hashlib.blake2b(encode(advice), digest_size=8).hexdigest()
        return advice.model_copy(update={"event_id": event_id("advice", given.advice_id, content)})


def answered_alike(state: DeskState, adviser: Adviser | None, models: Sequence[Model]) -> bool:
    """Whether what a desk answered stands with this adviser, as it does where nobody answers now."""
    return adviser is None or state.adviser == adviser.hash_of(models)
