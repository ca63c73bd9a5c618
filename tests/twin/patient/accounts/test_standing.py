"""A pump that fell silent runs on or has stopped, as the data say, until its next word."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, dose, level, ms, sample, start, stop, totals
from twin.events import Estimate, Forecast, InputEvent, Prediction, Withdrawn, encode
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.accounts.standing import log_total, shares
from twin.patient.averaged import AveragedTwin
from twin.patient.fold import Update
from twin.patient.rivals import rivals
from twin.patient.twin import PatientTwin
from twin.timeline.pumps.silence import STOPPED, log_prior_of_rest

MODEL = parse_model(toys.LEVELS, "toy_levels.toml")
PARTICLES = 48
HEARD = (start(0), *(sample(hours) for hours in (1, 2, 3, 4)))
"""A pump that reports every hour, until four: silent from seven on."""
RUNS, STOPS = level(12, 6.0), level(12, 2.0)
"""What is measured five hours into the silence if the pump runs, and if it stopped at once."""


def told(*groups: Sequence[InputEvent], model: Model = MODEL) -> tuple[PatientTwin, list[Update]]:
    twin = PatientTwin(PATIENT, model, PARTICLES)
    updates = [twin.observe(group) for group in groups]
    assert all(update.rejected == () for update in updates)
    return twin, updates


def last(updates: Iterable[Update]) -> Estimate:
    return [o for update in updates for o in update.outputs if isinstance(o, Estimate)][-1]


def believed(*events: InputEvent) -> float:
    """The probability that the pump runs, as the last estimate has it."""
    running = last(told(events)[1]).running
    assert running is not None
    return running["toxin"]


def said(updates: Iterable[Update]) -> dict[tuple[str, ...], bytes]:
    """What stands of estimates, forecasts and predictions."""
    found: dict[tuple[str, ...], bytes] = {}
    for output in (output for update in updates for output in update.outputs):
        time = output.time.isoformat()
        if isinstance(output, Withdrawn):
            found.pop(("estimate", time) if not output.estimated else ("", time), None)
            found.pop(("forecast", time) if not output.foreseen else ("", time), None)
        elif isinstance(output, Estimate | Forecast | Prediction):
            found[output.kind, time] = encode(output)
    return found


@pytest.mark.usefixtures("whole_hours")
def test_the_longer_a_pump_is_silent_the_less_likely_it_runs() -> None:
    assert last(told((*HEARD, clock(4)))[1]).running is None
    chance = [believed(*HEARD, clock(hours)) for hours in (8, 20, 48, 180)]
    assert chance[:3] == pytest.approx([math.exp(-hours / 24) for hours in (6, 24, 72)])
    assert chance[3] == 0.0


@pytest.mark.usefixtures("whole_hours")
def test_what_was_delivered_is_the_mean_over_when_it_may_have_stopped() -> None:
    estimate = last(told((*HEARD, clock(12)))[1])
    runs = math.exp(-6 / 24)
    assert estimate.delivered_rate["toxin"].value == pytest.approx(40 * runs)
    assert estimate.delivered["toxin"].value == pytest.approx(40 * (7 + 5 * runs))


def test_a_level_in_the_silence_says_whether_the_pump_runs() -> None:
    prior = believed(*HEARD, clock(12))
    assert believed(*HEARD, STOPS) < 0.5 * prior < prior < believed(*HEARD, RUNS)
    estimates = [last(told((*HEARD, one))[1]).outputs[0].median for one in (STOPS, RUNS)]
    assert estimates[0] < 3.0 < 5.0 < estimates[1]


def test_accounts_weigh_what_twins_do_that_are_told_so() -> None:
    """p(stopped | y) / p(runs | y) = prior odds * p(y | stopped) / p(y | runs)."""
    stopped, _ = told((*HEARD, stop(7), STOPS))
    runs, _ = told((*HEARD, *(sample(hours) for hours in range(5, 13)), STOPS))
    prior = [log_prior_of_rest(STOPPED[:1]), STOPPED[0].log_prior]
    evidence = [runs.belief.log_evidence, stopped.belief.log_evidence]
    weight = [part + known for part, known in zip(prior, evidence, strict=True)]
    assert believed(*HEARD, STOPS) == pytest.approx(shares(weight)[0])
    assert last(told((*HEARD, STOPS))[1]).log_evidence == pytest.approx(log_total(weight))


def test_a_value_is_predicted_by_the_mixture_before_it() -> None:
    (prediction,) = (o for o in told((*HEARD, STOPS))[1][0].outputs if isinstance(o, Prediction))
    assert prediction.q05 < 2.5
    assert prediction.q95 > 6.5


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ((sample(13),), 13 * 40.0),
        ((stop(13),), 13 * 40.0),
        ((stop(7),), 7 * 40.0),
        ((totals(0, 0.0), totals(13, 200.0)), 200.0),
    ],
    ids=["it runs", "it stops", "it stopped", "its counter"],
)
def test_the_next_word_settles_how_much_was_delivered(words: Sequence[InputEvent], amount: float) -> None:
    twin, updates = told((*HEARD, STOPS), words, [clock(13.1), level(13.2, 4.0)])
    estimate = last(updates)
    assert estimate.running is None
    assert all(point.silence == () for point in twin.points)
    given = 40.0 * 0.2 if estimate.delivered_rate["toxin"].value else 0.0
    assert estimate.delivered["toxin"].value == pytest.approx(amount + given)
    assert said(updates) == said(told((*HEARD, STOPS, *words, clock(13.1), level(13.2, 4.0)))[1])


def test_a_pump_that_speaks_in_time_is_never_silent_and_costs_nothing() -> None:
    twin, updates = told(HEARD, *([sample(hours)] for hours in range(5, 30)), [clock(30)])
    estimates = [o for update in updates for o in update.outputs if isinstance(o, Estimate)]
    assert {one.running for one in estimates} == {None}
    assert all(point.silence == () and point.rest == () for point in twin.points)


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_of_arrival_ends_in_the_same_mixture(data: st.DataObject) -> None:
    anew = (start(16, 20.0), sample(17, 20.0))
    heard = data.draw(st.sampled_from([(), (sample(5),), (sample(16),), (stop(16),), anew]))
    events = [*HEARD, STOPS, level(30, 1.0), clock(33), start(2, 5.0, "pump-2"), sample(9, 5.0, "pump-2"), *heard]
    events += [sample(10, 5.0, "pump-2"), sample(11, 5.0, "pump-2")]
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    one, first = told(sorted(events, key=lambda event: event.time))
    other, second = told(shuffled[:cut], *([event] for event in shuffled[cut:]))
    assert said(first) == said(second)
    assert np.array_equal(one.posterior().params, other.posterior().params)
    assert np.array_equal(one.posterior().log_weight, other.posterior().log_weight)


def test_a_row_written_in_the_silence_goes_on_to_the_same_bytes() -> None:
    twin, _ = told((*HEARD, STOPS, clock(30)))
    other = PatientTwin.from_row(twin.row(), MODEL)
    assert other.row() == twin.row()
    for words in ([level(31, 1.0)], [sample(33)]):
        # What is further back than a row holds is said once more.
        assert said([twin.observe(words)]).items() <= said([other.observe(words)]).items()
        assert np.array_equal(twin.posterior().log_weight, other.posterior().log_weight)
        assert np.array_equal(twin.posterior().params, other.posterior().params)


def test_the_posterior_has_the_particles_of_every_account() -> None:
    twin, _ = told((*HEARD, STOPS, clock(30)))
    posterior = twin.posterior()
    assert len(posterior.eta) == len(posterior.params) == 3 * PARTICLES
    assert np.exp(posterior.log_weight).sum() == pytest.approx(1.0)


def test_a_word_that_arrives_while_nothing_is_due_ends_the_silence() -> None:
    twin, _ = told((*HEARD, clock(12)))
    assert not twin.take(sample(12.5))
    assert twin.reaches_back(sample(12.5))
    assert not twin.reaches_back(level(12.5, 2.0))
    assert last([twin.observe([sample(12.5)])]).running is None


SHORT = (start(0), totals(0, 0.0), totals(12, 240.0), stop(12))
"""Half of what the pump says it gave was counted: it stood early or late, or ran at half its rate."""


def test_a_level_says_when_in_the_stretch_of_a_mismatch_the_drug_went_in() -> None:
    for value, likely in ((6.0, "early"), (1.6, "late"), (3.3, "even")):
        twin, updates = told((*SHORT, level(12.5, value), clock(13)))
        standings = twin._folded.standings()
        share = shares([one.log_weight for one in standings])
        assert [one.hypothesis.where for one in standings] == ["even", "early", "late"]
        assert standings[share.index(max(share))].hypothesis.where == likely
        assert last(updates).delivered["toxin"].value == pytest.approx(240.0)
        assert last(updates).running is None
        for one in standings:
            assert one.timeline.delivered["toxin"].amount(ms(0), ms(13)) == pytest.approx(240.0)


def test_a_mismatch_is_remembered_for_a_week_in_any_order_of_arrival() -> None:
    events = [*SHORT, level(12.5, 6.0), clock(40), level(30, 0.5)]
    one, first = told(events)
    other, second = told([events[5]], [events[2]], [events[0]], [events[6], events[3]], [events[4], events[1]])
    assert said(first) == said(second)
    assert np.array_equal(one.posterior().log_weight, other.posterior().log_weight)
    assert len(one.points[-1].rest) == 2
    assert PatientTwin.from_row(one.row(), MODEL).row() == one.row()
    one.observe([clock(300)])
    assert one.points[-1].rest == ()


def test_an_account_by_which_nothing_is_in_yet_begins_with_the_record() -> None:
    """The start was lost: by one account all went in at the end, and the fold goes back to where nothing had."""
    lost = [totals(32, 192.0), totals(0, 0.0), stop(33.5)]
    assert said(told(*([one] for one in lost))[1]) == said(told(sorted(lost, key=lambda event: event.time))[1])


def test_a_corrected_rate_moves_what_went_in_before_it_by_an_account() -> None:
    """Twice the rate from 1 to 3 h leaves less to have gone in from 0 to 1 h, and scaled it comes to the same."""
    ran = [totals(0, 0.0), start(1, 10.0), stop(3), totals(4, 60.0), level(5, 2.0)]
    mend = start(1, 20.0, event_id="mend", status="corrected", replaces="start pump-1 1")
    assert said(told(ran, [mend])[1]) == said(told([*ran, mend])[1])


def test_a_dose_that_is_charted_and_pumped_is_one_by_every_account() -> None:
    twin, _ = told((*SHORT, dose(0, 240.0, 12.0), clock(13)))
    given = [one.timeline.delivered["toxin"] for one in twin._folded.standings()]
    assert [one.amount(ms(0), ms(13)) for one in given] == pytest.approx([240.0] * 3)


def test_rival_models_average_the_same_silence() -> None:
    text = toys.LEVELS.replace('"toy_levels"', '"toy_other"').replace("value = 6\n", "value = 5\n")
    other = parse_model(text, "toy_other.toml")
    twin = AveragedTwin(PATIENT, rivals([MODEL, other]), PARTICLES)
    estimate = last([twin.observe((*HEARD, STOPS))])
    assert estimate.running is not None
    assert 0 < estimate.running["toxin"] < math.exp(-6 / 24)


def test_accounts_that_nothing_speaks_for_weigh_alike() -> None:
    assert shares([-math.inf, -math.inf]) == [0.5, 0.5]
    assert log_total([-math.inf, -math.inf]) == -math.inf
    assert shares([0.0, math.log(3.0)]) == pytest.approx([0.25, 0.75])
