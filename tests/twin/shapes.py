"""Posteriors with hard shapes: small models, what was measured, and their equations solved by hand.

A `Shape` says everything twice: as a model file with events, which is what the twin reads, and as a prior covariance,
a log likelihood and forecasts in closed form (cells by a Runge-Kutta scheme), which is what the reference reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from tests.twin.bedside import count, dose, level, quantity
from tests.twin.longrun import Floats, Function, cells, log_normal, with_midpoints
from twin.events import InputEvent
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

SOURCE = 'source = "made up for a test"'


@dataclass(frozen=True)
class Shape:
    """One posterior.

    Attributes:
        model: as the twin reads it.
        events: doses and measured values, some doses after the last value.
        ahead: (hours, output) of the forecasts that are compared.
        covariance: of the prior.
        log_likelihood: eta (N, d) to log p(values | eta) (N,), by hand.
        forecasts: eta (N, d) to what ``ahead`` names (N, F), by hand.
    """

    name: str
    model: Callable[[], Model]
    events: Sequence[InputEvent]
    ahead: Sequence[tuple[float, str]]
    covariance: Floats
    log_likelihood: Function
    forecasts: Function


def written(
    name: str,
    parameters: Sequence[tuple[str, float, str, float | None]],
    states: dict[str, str],
    outputs: dict[str, tuple[str, str, str, str]],
    further: str = "",
    iov: Mapping[str, float] | None = None,
) -> Callable[[], Model]:
    """A model file of parameters (name, value, unit, iiv), states (all mg but cells), and outputs by name:
    unit, expression, alias and error; ``iov`` by parameter."""
    text = [f'id = "toy_{name}"\ndrug = "toxin"\ntitle = "{name}"\ntime_unit = "h"']
    text.append('[[sources]]\ncitation = "none: made up for tests"')
    for parameter, value, unit, iiv in parameters:
        varies = "" if iiv is None else f"iiv = {iiv}\n"
        varies += f"iov = {iov[parameter]}\n" if iov and parameter in iov else ""
        text.append(f'[parameters.{parameter}]\nvalue = {value}\nunit = "{unit}"\n{varies}{SOURCE}')
    for state, derivative in states.items():
        kind = 'unit = "mg"' if state in ("A", "Depot") else 'unit = "10*9/L"\ninitial = "BASE"'
        text.append(f'[states.{state}]\n{kind}\nderivative = "{derivative}"')
    for output, (unit, expression, alias, error) in outputs.items():
        known = f'[outputs.{output}]\nunit = "{unit}"\nexpression = "{expression}"\naliases = ["{alias}"]'
        text.append(f"{known}\nerror = {{ {error}, {SOURCE} }}")
    text.append("[cadence]\nestimate = 8\nforecast = 8\nhorizon = 48")
    whole = "\n\n".join([*text, further])
    return lambda: parse_model(whole, f"toy_{name}.toml")


def individual(values: Sequence[float], eta: Floats) -> list[Floats]:
    """Log-normal parameters, one array (N,) each."""
    return [value * np.exp(column) for value, column in zip(values, eta.T, strict=True)]


def decay(times: Floats, doses: Sequence[tuple[float, float]], rate: Floats) -> Floats:
    """Amounts (T, N) of doses (hours, mg) that leave at ``rate`` (N,)."""
    gone = [times[:, None] - begin for begin, _ in doses]
    return np.asarray(
        sum(
            np.where(since >= 0, amount * np.exp(-rate * np.maximum(since, 0)), 0)
            for since, (_, amount) in zip(gone, doses, strict=True)
        )
    )


def absorbed(times: Floats, doses: Sequence[tuple[float, float]], ka: Floats, rate: Floats) -> Floats:
    """Central amounts (T, N) of oral doses (Bateman); equal rates are taken a hair apart."""
    ka = np.where(np.abs(ka - rate) < 1e-7 * rate, rate * (1 + 1e-7), ka)
    return np.asarray(ka / (ka - rate) * (decay(times, doses, rate) - decay(times, doses, ka)))


def given(doses: Sequence[tuple[float, float]], route: str = "iv") -> list[InputEvent]:
    return [dose(hours, amount, route=route) for hours, amount in doses]


# --- Michaelis-Menten: only VMAX / KM is seen ------------------------------------------------------------------------

SATURABLE_LEVELS = {1.0: 1.35, 4.0: 0.68, 8.0: 0.30, 12.0: 0.115}


def saturable() -> Shape:
    doses = [(0.0, 40.0), (24.0, 400.0)]

    def amount(eta: Floats, hours: Sequence[float]) -> tuple[Floats, Floats]:
        """A / k is the Wright omega function of log(A0 / k) + (A0 - VMAX t) / k, k = KM V."""
        vmax, km, v = individual((8.0, 3.0, 20.0), eta)
        k = km * v
        left = np.zeros((len(hours), len(eta)))

        def leaves(begin: Floats, since: float) -> Floats:
            return np.asarray(k * special.wrightomega(np.log(begin / k) + (begin - vmax * since) / k))

        first = np.full(len(eta), doses[0][1])
        second = leaves(first, doses[1][0]) + doses[1][1]
        for row, time in enumerate(hours):
            left[row] = leaves(first, time) if time < doses[1][0] else leaves(second, time - doses[1][0])
        return left, v

    def log_likelihood(eta: Floats) -> Floats:
        left, v = amount(eta, list(SATURABLE_LEVELS))
        known = zip(SATURABLE_LEVELS.values(), left / v, strict=True)
        return np.asarray(sum(log_normal(value, c, 0.1 * c) for value, c in known))

    def forecasts(eta: Floats) -> Floats:
        left, v = amount(eta, [26.0, 36.0, 60.0])
        return (left / v).T

    model = written(
        "saturable",
        [("VMAX", 8, "mg/h", 0.36), ("KM", 3, "mg/L", 0.64), ("V", 20, "L", 0.04)],
        {"A": "input(toxin) - VMAX*A/(KM*V + A)"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.1")},
        "[numerics]\nfirst_step = 0.2\nlargest_step = 0.5",
    )
    events = [*given(doses), *(level(hours, value) for hours, value in SATURABLE_LEVELS.items())]
    ahead = [(hours, "plasma") for hours in (26.0, 36.0, 60.0)]
    return Shape("saturable", model, events, ahead, np.diag([0.36, 0.64, 0.04]), log_likelihood, forecasts)


# --- flip-flop: which of two rates is absorption ---------------------------------------------------------------------

FLIP_LEVELS = {1.0: 0.45, 2.0: 0.95, 4.0: 1.45, 8.0: 1.35, 12.0: 1.1, 24.0: 0.42}


def flip_flop() -> Shape:
    doses = [(0.0, 100.0), (36.0, 100.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        clearance, v, ka = individual((5.0, 30.0, 0.2), eta)
        return np.asarray(absorbed(np.array(hours), doses, ka, clearance / v) / v)

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(FLIP_LEVELS.values(), concentration(eta, list(FLIP_LEVELS)), strict=True)
        return np.asarray(sum(log_normal(value, c, 0.2 * c) for value, c in known))

    model = written(
        "flip_flop",
        [("CL", 5, "L/h", 0.25), ("V", 30, "L", 0.5), ("KA", 0.2, "1/h", 0.6)],
        {"Depot": "input(toxin, oral) - KA*Depot", "A": "KA*Depot - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.2")},
    )
    events = [*given(doses, "oral"), *(level(hours, value) for hours, value in FLIP_LEVELS.items())]
    later = [38.0, 44.0, 60.0]
    return Shape(
        "flip_flop",
        model,
        events,
        [(hours, "plasma") for hours in later],
        np.diag([0.25, 0.5, 0.6]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


# --- a banana: two ways out of which only the sum is seen ------------------------------------------------------------

BANANA_LEVELS = {2.0: 2.95, 6.0: 1.18, 10.0: 0.52}


def banana() -> Shape:
    doses = [(0.0, 100.0), (24.0, 100.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        kidney, liver, v = individual((2.5, 2.5, 20.0), eta)
        return np.asarray(decay(np.array(hours), doses, (kidney + liver) / v) / v)

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(BANANA_LEVELS.values(), concentration(eta, list(BANANA_LEVELS)), strict=True)
        return np.asarray(sum(log_normal(value, c, 0.08 * c) for value, c in known))

    model = written(
        "banana",
        [("CLR", 2.5, "L/h", 0.8), ("CLH", 2.5, "L/h", 0.8), ("V", 20, "L", 0.04)],
        {"A": "input(toxin) - (CLR + CLH)/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.08")},
    )
    events = [*given(doses), *(level(hours, value) for hours, value in BANANA_LEVELS.items())]
    later = [25.0, 30.0, 36.0]
    return Shape(
        "banana",
        model,
        events,
        [(hours, "plasma") for hours in later],
        np.diag([0.8, 0.8, 0.04]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


# --- two modes: a response that rises and falls with the level -------------------------------------------------------

BELL_VALUES = {2.0: 3.0, 3.5: 2.9}


def two_modes() -> Shape:
    doses = [(0.0, 100.0), (24.0, 60.0)]

    def response(eta: Floats, hours: Sequence[float]) -> Floats:
        clearance, middle = individual((4.0, 2.0), eta)
        ratio = decay(np.array(hours), doses, clearance / 20.0) / 20.0 / middle
        return np.asarray(4.0 * ratio * np.exp(1.0 - ratio))

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(BELL_VALUES.values(), response(eta, list(BELL_VALUES)), strict=True)
        return np.asarray(sum(log_normal(value, r, 0.3) for value, r in known))

    model = written(
        "two_modes",
        [("CL", 4, "L/h", 0.09), ("MIDDLE", 2, "mg/L", 0.6), ("V", 20, "L", None), ("TOP", 4, "10*9/L", None)],
        {"A": "input(toxin) - CL/V*A"},
        {"response": ("10*9/L", "TOP*A/V/MIDDLE*exp(1 - A/V/MIDDLE)", "ANC", "additive = 0.3")},
    )
    events = [*given(doses), *(count(hours, value) for hours, value in BELL_VALUES.items())]
    later = [6.0, 25.0, 30.0]
    return Shape(
        "two_modes",
        model,
        events,
        [(hours, "response") for hours in later],
        np.diag([0.09, 0.6]),
        log_likelihood,
        lambda eta: response(eta, later).T,
    )


# --- values below the limit of quantification ------------------------------------------------------------------------

CENSORED_LEVELS: dict[float, float | None] = {1.0: 3.9, 4.0: 1.25, 8.0: None, 12.0: None, 16.0: None}
LIMIT = 0.3


def censored() -> Shape:
    doses = [(0.0, 100.0), (24.0, 100.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        clearance, v = individual((4.0, 22.0), eta)
        return np.asarray(decay(np.array(hours), doses, clearance / v) / v)

    def log_likelihood(eta: Floats) -> Floats:
        total = np.zeros(len(eta))
        for value, c in zip(CENSORED_LEVELS.values(), concentration(eta, list(CENSORED_LEVELS)), strict=True):
            spread = np.sqrt(0.1**2 + (0.2 * c) ** 2)
            total += special.log_ndtr((LIMIT - c) / spread) if value is None else log_normal(value, c, spread)
        return total

    model = written(
        "censored",
        [("CL", 4, "L/h", 0.3), ("V", 22, "L", 0.3)],
        {"A": "input(toxin) - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "additive = 0.1, proportional = 0.2")},
    )
    unseen = {"lloq": quantity(LIMIT, "mg/L"), "below_lloq": True}
    measured = [
        level(hours, LIMIT, **unseen) if value is None else level(hours, value)
        for hours, value in CENSORED_LEVELS.items()
    ]
    later = [25.0, 30.0, 36.0]
    return Shape(
        "censored",
        model,
        [*given(doses), *measured],
        [(hours, "plasma") for hours in later],
        np.diag([0.3, 0.3]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


# --- heavy tails: values that contradict one another -----------------------------------------------------------------

CONTRARY_LEVELS = {2.0: 3.3, 6.0: 1.55, 8.0: 2.5, 12.0: 0.5, 14.0: 1.2}


def heavy_tails() -> Shape:
    doses = [(0.0, 100.0), (24.0, 100.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        clearance, v = individual((3.0, 22.0), eta)
        return np.asarray(decay(np.array(hours), doses, clearance / v) / v)

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(CONTRARY_LEVELS.values(), concentration(eta, list(CONTRARY_LEVELS)), strict=True)
        return np.asarray(sum(stats.t.logpdf((value - c) / 0.15, 3.0) - np.log(0.15) for value, c in known))

    model = written(
        "heavy_tails",
        [("CL", 3, "L/h", 0.3), ("V", 22, "L", 0.2)],
        {"A": "input(toxin) - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "additive = 0.15, df = 3")},
    )
    events = [*given(doses), *(level(hours, value) for hours, value in CONTRARY_LEVELS.items())]
    later = [25.0, 30.0, 36.0]
    return Shape(
        "heavy_tails",
        model,
        events,
        [(hours, "plasma") for hours in later],
        np.diag([0.3, 0.2]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


# --- bioavailability, clearance and volume after oral doses alone: one more than can be told apart ------------------

ORAL_LEVELS = {1.0: 1.9, 3.0: 2.2, 6.0: 1.45, 10.0: 0.85, 20.0: 0.2}


def unidentified() -> Shape:
    oral, vein = [(0.0, 100.0)], [(36.0, 60.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        clearance, v, share = individual((5.0, 30.0, 0.6), eta)
        rate, times = clearance / v, np.array(hours)
        return np.asarray((share * absorbed(times, oral, np.full(len(eta), 1.2), rate) + decay(times, vein, rate)) / v)

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(ORAL_LEVELS.values(), concentration(eta, list(ORAL_LEVELS)), strict=True)
        return np.asarray(sum(log_normal(value, c, 0.1 * c) for value, c in known))

    model = written(
        "unidentified",
        [("CL", 5, "L/h", 0.2), ("V", 30, "L", 0.2), ("F", 0.6, "1", 0.25), ("KA", 1.2, "1/h", None)],
        {"Depot": "input(toxin, oral) - KA*Depot", "A": "input(toxin, iv) + F*KA*Depot - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.1")},
    )
    events = [*given(oral, "oral"), *given(vein), *(level(hours, value) for hours, value in ORAL_LEVELS.items())]
    later = [30.0, 37.0, 48.0]
    return Shape(
        "unidentified",
        model,
        events,
        [(hours, "plasma") for hours in later],
        np.diag([0.2, 0.2, 0.25]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


# --- levels and counts together --------------------------------------------------------------------------------------

JOINT_LEVELS = {1.0: 3.6, 8.0: 1.5}
JOINT_COUNTS = {0.5: 5.9, 96.0: 3.3, 168.0: 1.1, 216.0: 0.8}


def levels_and_counts() -> Shape:
    doses = [(0.0, 100.0)]
    later = [264.0, 336.0, 480.0]
    nodes = np.unique(
        np.concatenate([np.arange(0, 2, 0.25), np.arange(2, 48, 1.0), np.arange(48, 481, 4.0), [0.5], later])
    )
    fine = with_midpoints(nodes)

    def course(eta: Floats) -> tuple[Floats, Floats]:
        clearance, base, mtt, slope = individual((3.0, 5.0, 110.0, 1.1), eta)
        concentration = decay(fine, doses, clearance / 25.0) / 25.0
        none = np.zeros_like(concentration)
        return concentration, cells(concentration, none, nodes, base, 4 / mtt, slope, 0.17)

    def log_likelihood(eta: Floats) -> Floats:
        concentration, found = course(eta)
        total = np.zeros(len(eta))
        for hours, value in JOINT_LEVELS.items():
            known = concentration[np.searchsorted(fine, hours)]
            total += log_normal(value, known, 0.2 * known)
        for hours, value in JOINT_COUNTS.items():
            known = np.log(found[np.searchsorted(nodes, hours)])
            total += log_normal(np.log(value), known, 0.25) - np.log(value)
        return total

    chain = {"Stem": "KTR*Stem*((1 - SLOPE*A/V)*(BASE/Cells)**GAMMA - 1)", "One": "KTR*(Stem - One)"}
    chain |= {"Two": "KTR*(One - Two)", "Three": "KTR*(Two - Three)", "Cells": "KTR*(Three - Cells)"}
    model = written(
        "levels_and_counts",
        [
            ("CL", 3, "L/h", 0.15),
            ("BASE", 5, "10*9/L", 0.1),
            ("MTT", 110, "h", 0.03),
            ("SLOPE", 1.1, "L/mg", 0.3),
            ("V", 25, "L", None),
            ("GAMMA", 0.17, "1", None),
        ],
        {"A": "input(toxin) - CL/V*A"} | chain,
        {
            "plasma": ("mg/L", "A/V", "toxin", "proportional = 0.2"),
            "cells": ("10*9/L", "Cells", "ANC", "log_additive = 0.25"),
        },
        '[derived.KTR]\nunit = "1/h"\nexpression = "4/MTT"\n\n'
        "[numerics]\nfirst_step = 0.25\ngrowth = 0.2\nlargest_step = 6",
    )
    events = [
        *given(doses),
        *(level(hours, value) for hours, value in JOINT_LEVELS.items()),
        *(count(hours, value) for hours, value in JOINT_COUNTS.items()),
    ]
    return Shape(
        "levels_and_counts",
        model,
        events,
        [(hours, "cells") for hours in later],
        np.diag([0.15, 0.1, 0.03, 0.3]),
        log_likelihood,
        lambda eta: course(eta)[1][np.searchsorted(nodes, later)].T,
    )


# --- a clearance that differs much between occasions -----------------------------------------------------------------

OCCASION_LEVELS = {1.0: 4.1, 6.0: 1.2, 49.0: 3.9, 58.0: 2.4, 97.0: 4.4, 102.0: 2.2}


def occasions() -> Shape:
    doses = [(hours, 100.0) for hours in (0.0, 48.0, 96.0, 144.0)]

    def concentration(eta: Floats, hours: Sequence[float]) -> Floats:
        """Eta of CL and V, and kappa of each occasion's CL; the occasion to come is one of the population's."""
        coming = np.sqrt(0.3) * np.random.default_rng(1).standard_normal(len(eta))
        v = 20 * np.exp(eta[:, 1])
        rates = [4 * np.exp(eta[:, 0] + kappa) / v for kappa in (*eta[:, 2:].T, coming)]
        found, left = {}, np.zeros(len(eta))
        for (begin, amount), rate in zip(doses, rates, strict=True):
            left = left + amount
            found |= {hour: left * np.exp(-rate * (hour - begin)) / v for hour in hours if begin <= hour < begin + 48}
            left = left * np.exp(-rate * 48)
        return np.array([found[hour] for hour in hours])

    def log_likelihood(eta: Floats) -> Floats:
        known = zip(OCCASION_LEVELS.values(), concentration(eta, list(OCCASION_LEVELS)), strict=True)
        return np.asarray(sum(log_normal(value, c, 0.15 * c) for value, c in known))

    model = written(
        "occasions",
        [("CL", 4, "L/h", 0.1), ("V", 20, "L", 0.05)],
        {"A": "input(toxin) - CL/V*A"},
        {"plasma": ("mg/L", "A/V", "toxin", "proportional = 0.15")},
        f'[occasions]\ndrug = "toxin"\ngap = 24\n{SOURCE}',
        iov={"CL": 0.3},
    )
    events = [*given(doses), *(level(hours, value) for hours, value in OCCASION_LEVELS.items())]
    later = [110.0, 145.0, 150.0]
    return Shape(
        "occasions",
        model,
        events,
        [(hours, "plasma") for hours in later],
        np.diag([0.1, 0.05, 0.3, 0.3, 0.3]),
        log_likelihood,
        lambda eta: concentration(eta, later).T,
    )


SHAPES: dict[str, Callable[[], Shape]] = {
    "saturable": saturable,
    "flip_flop": flip_flop,
    "banana": banana,
    "two_modes": two_modes,
    "censored": censored,
    "heavy_tails": heavy_tails,
    "unidentified": unidentified,
    "levels_and_counts": levels_and_counts,
    "occasions": occasions,
}
