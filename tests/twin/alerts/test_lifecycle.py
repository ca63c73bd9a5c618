"""The life of an alert: raised once, told again only for a reason, cleared for good, never flapping by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.alerts.chance import Z, standard_error, threshold_margin
from twin.alerts.finding import Finding
from twin.alerts.lifecycle import AlertBook, Transition, advance, to_alert
from twin.alerts.settings import RuleSettings, Severity
from twin.alerts.snapshot import Snapshot
from twin.clock import MINUTE_MS
from twin.events import Subject, decode_output, encode, event_id

SETTINGS = RuleSettings(raise_above=0.5, clear_below=0.3, severity="medium", when_absent="hold")
SLOW = RuleSettings(
    raise_above=0.5, clear_below=0.3, severity="medium", raise_after_ms=10 * MINUTE_MS, clear_after_ms=5 * MINUTE_MS
)


def finding(level: float, *, subject: str = "x", severity: Severity = "medium", probabilistic: bool = True) -> Finding:
    return Finding("rule", Subject("drug", subject), level, severity, f"level {level:.2f}", probabilistic=probabilistic)


def run(
    levels: Iterable[tuple[int, float | None]], its: RuleSettings = SETTINGS, ess: float = 1000.0
) -> tuple[AlertBook, list[Transition]]:
    """Fold (minute, level) pairs; None means that the rule is silent."""
    book, told = AlertBook(), []
    for minute, level in levels:
        snapshot = Snapshot("P-1", minute * MINUTE_MS, ess, None)
        found = [] if level is None else [finding(level)]
        book, transitions = advance(book, found, snapshot, {"rule": its}, "hash")
        told += transitions
    return book, told


def states(told: Iterable[Transition]) -> list[tuple[int, str]]:
    return [(transition.time_ms // MINUTE_MS, transition.phase) for transition in told]


def test_raised_once_and_cleared_once() -> None:
    book, told = run([(0, 0.2), (1, 0.55), (2, 0.56), (3, 0.4), (4, 0.51), (5, 0.31), (6, 0.25), (7, 0.2)])
    assert states(told) == [(1, "start"), (3, "update"), (4, "update"), (5, "update"), (6, "end")]
    assert len({transition.alert_id for transition in told}) == 1
    assert book == AlertBook()


def test_what_is_not_told_is_not_put_into_words() -> None:
    asked: list[float] = []

    def found(level: float) -> Finding:
        def words() -> str:
            asked.append(level)
            return f"level {level:.2f}"

        return Finding("rule", Subject("drug", "x"), level, "medium", words, probabilistic=True)

    book, told = AlertBook(), list[Transition]()
    for minute, level in enumerate((0.2, 0.45, 0.6, 0.61, 0.35, 0.34, 0.2, 0.1)):
        book, transitions = advance(book, [found(level)], Snapshot("P-1", minute * MINUTE_MS, 1000.0, None),
                                    {"rule": SETTINGS}, "hash")  # fmt: skip
        told += transitions
    assert [transition.text for transition in told] == ["level 0.60", "level 0.35", "level 0.20"]
    assert asked == [0.6, 0.35, 0.2]


def test_of_two_findings_about_one_subject_the_last_counts() -> None:
    snapshot = Snapshot("P-1", 0, 1000.0, None)
    for levels, raised in (((0.9, 0.1), 0), ((0.1, 0.9), 1)):
        _, told = advance(AlertBook(), [finding(level) for level in levels], snapshot, {"rule": SETTINGS}, "hash")
        assert len(told) == raised


def test_between_the_thresholds_nothing_is_raised_and_nothing_cleared() -> None:
    assert run([(0, 0.45), (1, 0.5), (2, 0.31)])[1] == []
    book, told = run([(0, 0.6), (1, 0.31), (2, 0.3)])
    assert "end" not in [transition.phase for transition in told]
    assert len(book.live) == 1


def test_alert_id_is_made_of_patient_rule_subject_onset_and_model() -> None:
    _, told = run([(7, 0.9)])
    assert told[0].alert_id == event_id("P-1", "rule", "drug", "x", 7 * MINUTE_MS, "hash")
    assert told[0].onset_ms == told[0].time_ms == 7 * MINUTE_MS


def test_a_second_alert_of_the_same_subject_has_its_own_id() -> None:
    _, told = run([(0, 0.9), (1, 0.1), (2, 0.9)])
    assert [transition.phase for transition in told] == ["start", "end", "start"]
    assert told[0].alert_id == told[1].alert_id != told[2].alert_id


def test_waits_for_raise_after_and_names_the_beginning_as_onset() -> None:
    _, told = run([(0, 0.6), (9, 0.6), (10, 0.6)], SLOW)
    assert states(told) == [(10, "start")]
    assert told[0].onset_ms == 0


def test_a_condition_that_ends_before_raise_after_was_never_an_alert() -> None:
    book, told = run([(0, 0.6), (9, 0.45), (10, 0.6), (19, 0.6)], SLOW)
    assert told == []
    assert book.conditions[0].phase == "pending"
    assert book.conditions[0].since_ms == 10 * MINUTE_MS


def test_an_urgent_finding_does_not_wait() -> None:
    found = Finding("rule", Subject("drug", "x"), 9.0, "high", "ten times the rate", urgent=True)
    _, told = advance(AlertBook(), [found], Snapshot("P-1", 0, 1000.0, None), {"rule": SLOW}, "hash")
    assert [transition.phase for transition in told] == ["start"]


def test_clears_only_after_clear_after_without_a_relapse() -> None:
    levels = [(0, 0.6), (10, 0.6), (11, 0.2), (13, 0.35), (14, 0.2), (18, 0.2), (19, 0.2)]
    _, told = run(levels, SLOW)
    assert [s for s in states(told) if s[1] != "update"] == [(10, "start"), (19, "end")]


def test_a_relapse_while_clearing_is_the_same_alert() -> None:
    _, told = run([(0, 0.6), (10, 0.6), (11, 0.2), (13, 0.6), (30, 0.6)], SLOW)
    assert [transition.phase for transition in told] == ["start"]


def test_updated_only_when_the_probability_moved_by_a_tenth_since_it_was_last_told() -> None:
    _, told = run([(0, 0.55), (1, 0.6), (2, 0.64), (3, 0.66), (4, 0.7), (5, 0.77)])
    assert states(told) == [(0, "start"), (3, "update"), (5, "update")]
    assert [transition.probability for transition in told] == [0.55, 0.66, 0.77]


def test_a_move_within_chance_is_no_update_even_beyond_a_tenth() -> None:
    _, told = run([(0, 0.95), (1, 0.8)], ess=100.0)
    assert standard_error(0.8, 100.0) * 2 * Z > 0.1
    assert states(told) == [(0, "start")]


def test_severity_rises_with_an_update_and_never_falls_while_the_alert_lives() -> None:
    book = AlertBook()
    told: list[Transition] = []
    for minute, severity in enumerate(("medium", "medium", "high", "medium", "high", "low")):
        level = [finding(0.9, severity=severity)]
        book, transitions = advance(book, level, Snapshot("P", minute, 1e3, None), {"rule": SETTINGS}, "h")
        told += transitions
    assert [(t.phase, t.severity) for t in told] == [("start", "medium"), ("escalate", "high")]


def test_silence_of_a_rule_that_only_sometimes_judges_holds_the_alert() -> None:
    book, told = run([(0, 0.9), (1, None), (500, None)])
    assert states(told) == [(0, "start")]
    assert len(book.live) == 1


def test_silence_of_a_rule_that_always_judges_clears_the_alert() -> None:
    settings = RuleSettings(raise_above=0.5, clear_below=0.3, severity="low", when_absent="clear")
    _, told = run([(0, 0.9), (1, None)], settings)
    assert states(told) == [(0, "start"), (1, "end")]
    assert told[1].text == "No longer under observation."
    assert told[1].probability is None


def test_subjects_live_apart() -> None:
    book = AlertBook()
    snapshot = Snapshot("P-1", 0, 1000.0, None)
    found = [finding(0.9, subject="b"), finding(0.2, subject="c"), finding(0.8, subject="a")]
    book, told = advance(book, found, snapshot, {"rule": SETTINGS}, "hash")
    assert [transition.subject.name for transition in told] == ["a", "b"]
    assert len({transition.alert_id for transition in told}) == 2
    assert [condition.subject.name for condition in book.conditions] == ["a", "b"]


def test_two_looks_at_the_same_millisecond_do_not_lose_the_alert() -> None:
    book, told = run([(5, 0.9), (5, 0.1), (5, 0.9)])
    assert [transition.phase for transition in told] == ["start", "end", "start"]
    assert len({transition.alert_id for transition in told}) == 1
    assert len(book.live) == 1


def test_onset_is_what_the_rule_knows_not_when_it_was_looked_at() -> None:
    ids = set()
    for looked in (100, 250, 9999):
        found = Finding("rule", Subject("device", "x"), 2.0, "low", "silent", began_ms=77)
        _, told = advance(AlertBook(), [found], Snapshot("P-1", looked, 10.0, None), {"rule": SETTINGS}, "hash")
        assert told[0].onset_ms == 77
        ids.add(told[0].alert_id)
    assert len(ids) == 1


@pytest.mark.parametrize(("raise_above", "clear_below"), [(0.5, 0.5), (0.3, 0.5), (math.nan, 0.3)])
def test_thresholds_without_a_gap_are_refused(raise_above: float, clear_below: float) -> None:
    with pytest.raises(ValueError, match="must be less than raise_above"):
        RuleSettings(raise_above=raise_above, clear_below=clear_below, severity="low")


def test_negative_delays_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        RuleSettings(raise_above=0.5, clear_below=0.3, severity="low", clear_after_ms=-1)


@pytest.mark.parametrize("bands", [(0.4, 0.8), (0.8, 0.8), (0.9, 0.7)])
def test_bands_that_do_not_increase_from_the_threshold_are_refused(bands: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must increase"):
        RuleSettings(raise_above=0.5, clear_below=0.3, severity="low", bands=bands)


# --- Monte-Carlo error -----------------------------------------------------------------------------------------------


def test_standard_error_is_the_binomial_one_of_the_effective_particles() -> None:
    draws = np.random.default_rng(5).random((20_000, 400)) < 0.3
    assert standard_error(0.3, 400.0) == pytest.approx(draws.mean(axis=1).std(), rel=0.03)


@pytest.mark.parametrize("ess", [0.0, -1.0, math.nan])
def test_without_effective_particles_nothing_is_known(ess: float) -> None:
    assert standard_error(0.5, ess) == math.inf
    assert run([(0, 1.0)], ess=ess) == (AlertBook(), [])
    book, _ = run([(0, 0.9)])
    book, told = advance(book, [finding(0.0)], Snapshot("P-1", MINUTE_MS, ess, None), {"rule": SETTINGS}, "hash")
    assert told == ()
    assert len(book.live) == 1


def test_a_probability_passes_a_threshold_by_two_standard_errors_and_clears_over_a_gap_as_wide() -> None:
    assert threshold_margin(0.5, SETTINGS, 500.0) == pytest.approx(2 * math.sqrt(0.25 / 500))
    assert threshold_margin(0.3, SETTINGS, 500.0) == pytest.approx(2 * math.sqrt(0.21 / 500))
    narrow = RuleSettings(raise_above=0.5, clear_below=0.49, severity="low")
    widest, at_clear = 2 * math.sqrt(0.25 / 500), 2 * math.sqrt(0.49 * 0.51 / 500)
    assert threshold_margin(0.49, narrow, 500.0) == pytest.approx(at_clear + widest - 0.01)
    assert states(run([(0, 0.54)], ess=500.0)[1]) == []
    assert states(run([(0, 0.55)], ess=500.0)[1]) == [(0, "start")]


def test_few_particles_raise_only_well_beyond_the_threshold_and_clear_only_well_below() -> None:
    assert run([(0, 0.6)], ess=25.0)[1] == []
    assert states(run([(0, 0.75)], ess=25.0)[1]) == [(0, "start")]
    assert states(run([(0, 0.9), (1, 0.15)], ess=25.0)[1]) == [(0, "start"), (1, "update")]
    assert states(run([(0, 0.9), (1, 0.1)], ess=25.0)[1]) == [(0, "start"), (1, "end")]


def test_a_ratio_has_no_monte_carlo_error() -> None:
    found = [finding(0.51, probabilistic=False)]
    _, told = advance(AlertBook(), found, Snapshot("P-1", 0, 1.0, None), {"rule": SETTINGS}, "hash")
    assert told[0].phase == "start"
    assert told[0].probability is None


@given(
    p=st.floats(0.0, 1.0),
    ess=st.floats(30.0, 5000.0),
    gap=st.floats(0.02, 0.6),
    clear_below=st.floats(0.05, 0.35),
    noise=st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=60),
)
def test_a_constant_probability_seen_through_its_error_never_flaps(
    p: float, ess: float, gap: float, clear_below: float, noise: list[float]
) -> None:
    its = RuleSettings(raise_above=clear_below + gap, clear_below=clear_below, severity="low")
    reach = Z * standard_error(p, ess)
    levels = [(minute, min(1.0, max(0.0, p + reach * wobble))) for minute, wobble in enumerate(noise)]
    _, told = run(levels, its, ess)
    verdicts = [transition.phase for transition in told if transition.phase != "update"]
    assert verdicts in ([], ["start"])


def test_sampled_probabilities_flap_without_the_gap_and_not_with_it() -> None:
    """What the gap is for: real particle noise around a threshold, 20 patients of 200 looks each."""
    rng = np.random.default_rng(11)
    narrow = RuleSettings(raise_above=0.5, clear_below=0.499, severity="low")

    def raised(its: RuleSettings, margins: bool) -> int:
        total = 0
        for _ in range(20):
            levels = list(enumerate(rng.binomial(100, 0.5, 200) / 100))
            _, told = run([(m, float(level)) for m, level in levels], its, 100.0 if margins else 1e12)
            total += sum(transition.phase == "start" for transition in told)
        return total

    assert raised(narrow, margins=False) > 500
    assert raised(narrow, margins=True) < 40
    assert raised(SETTINGS, margins=True) <= 22


@settings(derandomize=True, max_examples=60, deadline=None)
@given(p=st.floats(0.0, 1.0), ess=st.integers(50, 4000), seed=st.integers(0, 2**32 - 1))
def test_resampling_noise_alone_never_makes_an_alert_flap(p: float, ess: int, seed: int) -> None:
    """Two hundred looks at a probability that does not change, each through as many particles drawn anew."""
    looks = np.random.default_rng(seed).binomial(ess, p, 200) / ess
    _, told = run(list(enumerate(looks.tolist())), SETTINGS, float(ess))
    verdicts = [transition.phase for transition in told if transition.phase in ("start", "end")]
    assert verdicts in ([], ["start"])


# --- as a value ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.floats(0, 1)), max_size=40))
def test_folding_in_pieces_through_the_checkpoint_is_folding_at_once(steps: list[tuple[int, float | None]]) -> None:
    levels, now = [], 0
    for minutes, level in steps:
        now += minutes
        levels.append((now, level))
    whole = run(levels, SLOW)
    book, told = AlertBook(), []
    for minute, level in levels:
        book = msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=AlertBook)
        found = [] if level is None else [finding(level)]
        snapshot = Snapshot("P-1", minute * MINUTE_MS, 1000.0, None)
        book, transitions = advance(book, found, snapshot, {"rule": SLOW}, "hash")
        told += transitions
    assert (book, told) == whole
    live: dict[str, bool] = {}
    for transition in told:
        assert live.get(transition.alert_id, False) is (transition.phase != "start")
        live[transition.alert_id] = transition.live
    assert {alert.alert_id for alert in book.live} == {alert_id for alert_id, stands in live.items() if stands}


def test_goes_on_the_wire_with_its_revision() -> None:
    _, (raised,) = run([(7, 0.9)])
    alert = to_alert(raised, 3, patient_id="P-1", model="docetaxel_ozawa2007", model_hash="hash", rules_hash="0" * 16)
    assert decode_output(encode(alert)) == alert
    assert (alert.phase, alert.revision, alert.probability, alert.rule) == ("start", 3, 0.9, "rule")
    assert alert.subject == Subject("drug", "x")
    assert alert.event_id == event_id("alert", raised.alert_id, 3)
    again = to_alert(raised, 4, patient_id="P-1", model="docetaxel_ozawa2007", model_hash="hash", rules_hash="0" * 16)
    assert again.event_id != alert.event_id


def test_what_a_rule_watched_is_cleared_once_the_rule_is_no_longer_installed() -> None:
    book, told = run([(0, 0.9)])
    assert states(told) == [(0, "start")]
    book, transitions = advance(book, [], Snapshot("P-1", MINUTE_MS, 1000.0, None), {}, "hash")
    assert states(transitions) == [(1, "end")]
    assert book.live == ()
