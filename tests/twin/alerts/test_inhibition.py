"""An alert is inhibited by the alert that is its cause, and by no other; it is told all the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twin.alerts.finding import Finding
from twin.alerts.lifecycle import AlertBook, Transition, advance, to_alert
from twin.alerts.settings import RuleSettings, Severity
from twin.alerts.snapshot import Snapshot
from twin.clock import MINUTE_MS
from twin.events import AlertCause, Subject, decode_output, encode

SETTINGS = RuleSettings(raise_above=0.5, clear_below=0.3, severity="medium", when_absent="hold")
PUMP, EXPOSURE = "delivery.overinfusion", "exposure.above_target"
CAUSED = {
    PUMP: SETTINGS,
    EXPOSURE: RuleSettings(0.5, 0.3, "medium", when_absent="hold", inhibited_by=(PUMP,)),
    "of_exposure": RuleSettings(0.5, 0.3, "medium", when_absent="hold", inhibited_by=(EXPOSURE,)),
}


def about(
    rule: str, drug: str = "x", level: float = 0.9, severity: Severity = "medium", *, over: bool = False
) -> Finding:
    """Something found about a drug, under a name of its own; ``over``: it is the cause of nothing any more."""
    shared = () if over else (Subject("drug", drug),)
    return Finding(rule, Subject("target", f"{rule}_{drug}"), level, severity, "", about=shared)


def inhibited(
    *steps: Iterable[Finding], its: dict[str, RuleSettings] = CAUSED, rule: str = EXPOSURE
) -> list[tuple[str, str | None]]:
    """What is told of a rule, minute by minute, with the id of the alert that is its cause if that is told too."""
    book, told = AlertBook(), list[Transition]()
    for minute, found in enumerate(steps):
        book, moved = advance(book, found, Snapshot("P-1", minute * MINUTE_MS, 1000.0, None), its, "hash")
        told += moved
    rules = {one.alert_id: one.rule for one in told}
    causes = [None if one.inhibited_by is None else one.inhibited_by for one in told]
    assert all(cause is None or rules[cause.alert_id] == cause.rule for cause in causes)
    return [(one.phase, c and c.rule) for one, c in zip(told, causes, strict=True) if one.rule == rule]


def test_an_alert_is_inhibited_while_its_cause_stands_and_comes_out_when_that_ends() -> None:
    pump, exposed = about(PUMP), about(EXPOSURE)
    assert inhibited([exposed], [exposed, pump], [exposed], [exposed, about(PUMP, level=0.1)]) == [
        ("start", None),
        ("inhibited", PUMP),
        ("update", None),
    ]
    assert inhibited([exposed, pump])[-1] == ("start", PUMP), "told from the beginning, and by what it is inhibited"
    assert inhibited([exposed, pump], [about(EXPOSURE, level=0.1), pump])[-1] == ("end", None)


def test_only_an_alert_about_the_same_drug_that_still_is_its_cause_inhibits() -> None:
    exposed = about(EXPOSURE)
    assert inhibited([exposed, about(PUMP, "y")]) == [("start", None)]
    assert inhibited([exposed, about(EXPOSURE, "y"), about(PUMP, "y")]) == [("start", None), ("start", PUMP)]
    assert inhibited([exposed, about(PUMP)], [exposed, about(PUMP, over=True)])[-1] == ("update", None)


def test_what_is_less_severe_inhibits_nothing() -> None:
    grave = about(EXPOSURE, severity="high")
    assert inhibited([grave, about(PUMP)]) == [("start", None)]
    assert inhibited([grave, about(PUMP)], [grave, about(PUMP, severity="high")])[-1] == ("inhibited", PUMP)


def test_a_cause_goes_on_being_one_when_it_latches_only_for_as_long_as_it_holds() -> None:
    its = CAUSED | {PUMP: replace(SETTINGS, latching=True)}
    exposed = about(EXPOSURE)
    assert inhibited([exposed, about(PUMP)], [exposed, about(PUMP, level=0.1)], its=its)[-1] == ("update", None)


def test_a_silence_inhibits_nothing_for_it_may_not_be_told_yet() -> None:
    its = CAUSED | {PUMP: replace(SETTINGS, of_silence=True)}
    assert inhibited([about(EXPOSURE), about(PUMP)], its=its) == [("start", None)]


def test_rules_that_inhibit_each_other_in_a_circle_are_all_heard() -> None:
    found = [about(PUMP), about(EXPOSURE), about("of_exposure")]
    assert inhibited(found, rule="of_exposure") == [("start", EXPOSURE)]
    its = CAUSED | {PUMP: replace(SETTINGS, inhibited_by=("of_exposure",))}
    assert {cause for rule in CAUSED for _, cause in inhibited(found, its=its, rule=rule)} == {None}


def test_the_alert_on_the_wire_names_the_alert_that_is_its_cause() -> None:
    found = [about(PUMP), about(EXPOSURE)]
    _, (cause, alert) = advance(AlertBook(), found, Snapshot("P-1", 0, 1000.0, None), CAUSED, "hash")
    sent = to_alert(alert, 0, patient_id="P-1", model="m", model_hash="h", rules_hash="0" * 16)
    assert decode_output(encode(sent)).inhibited_by == AlertCause(PUMP, cause.alert_id)  # type: ignore[union-attr]
