"""Small models whose answers are known on paper, for tests of the compiler, the solver and the fold."""

from __future__ import annotations

from twin.model.spec import Model
from twin.modelfile.reader import parse_model

SOURCE = 'source = "made up for a test"'

ABSORPTION = f"""
id = "toy_absorption"
drug = "toxin"
title = "One compartment with a depot, a cell population that the drug kills, and a pool filled by a helper drug"
time_unit = "h"

[[sources]]
citation = "none: made up for tests"

[inputs.helper]
{SOURCE}

[covariates.WT]
unit = "kg"
reference = 70
{SOURCE}

[parameters.CL]
value = 6
unit = "L/h"
iiv = 0.09
expression = "CL * (WT / 70)"
{SOURCE}

[parameters.V]
value = 30
unit = "L"
iiv = 0.04
{SOURCE}

[parameters.ka]
value = 0.9
unit = "1/h"
{SOURCE}

[parameters.Base]
value = 4
unit = "10*9/L"
iiv = 0.04
{SOURCE}

[parameters.growth]
value = 0.06
unit = "1/h"
{SOURCE}

[parameters.kill]
value = 0.05
unit = "L/(mg.h)"
iiv = 0.16
{SOURCE}

[parameters.fill]
value = 1.5
unit = "10*9/L"
{SOURCE}

[parameters.leave]
value = 0.1
unit = "1/h"
{SOURCE}

[states.Depot]
unit = "mg"
derivative = "input(toxin, oral) - ka*Depot"

[states.A]
unit = "mg"
derivative = "input(toxin) + ka*Depot - CL/V*A"

[states.AUC]
unit = "mg.h/L"
derivative = "A/V"

[states.Pool]
unit = "10*9/L"
derivative = "fill*pulse(helper) - leave*Pool"

[states.Cells]
unit = "10*9/L"
initial = "Base"
derivative = "Cells*(growth*(1 - Cells/Base) - kill*A/V)"

[states.Memory]
unit = "10*9/L"
initial = "Base"
derivative = "leave*(Cells + Pool - Memory)"

[outputs.toxin_plasma]
unit = "mg/L"
expression = "A/V"
aliases = ["toxin"]
molar_mass = 500
error = {{ additive = 0.02, proportional = 0.15, {SOURCE} }}

[outputs.cells]
unit = "10*9/L"
expression = "Cells + Pool"
aliases = ["ANC"]
error = {{ log_additive = 0.2, {SOURCE} }}

[targets.toxin_auc]
drug = "toxin"
state = "AUC"
unit = "mg.h/L"
low = 14
high = 20
course_gap = 24
{SOURCE}

[toxicities.cells_g4]
output = "cells"
below = 1.0
unit = "10*9/L"
horizon = 72
{SOURCE}

[cadence]
estimate = 4
forecast = 12
horizon = 72

[numerics]
first_step = 0.1
growth = 0.3
largest_step = 2
"""

CHAIN = f"""
id = "toy_chain"
drug = "toxin"
title = "Four compartments in a row that all empty at one rate, so that no eigenbasis exists"
time_unit = "d"

[[sources]]
citation = "none: made up for tests"

[parameters.k]
value = 2
unit = "1/d"
iiv = 0.04
{SOURCE}

[parameters.V]
value = 10
unit = "L"
{SOURCE}

[states.S1]
unit = "mg"
derivative = "input(toxin) - k*S1"

[states.S2]
unit = "mg"
derivative = "k*S1 - k*S2"

[states.S3]
unit = "mg"
derivative = "k*S2 - k*S3"

[outputs.toxin_plasma]
unit = "mg/L"
expression = "S3/V"
error = {{ additive = 0.1, {SOURCE} }}

[cadence]
estimate = 1
forecast = 1
horizon = 7
"""


BOLUS = f"""
id = "toy_bolus"
drug = "toxin"
title = "One compartment, nothing to step: a patient in microseconds"
time_unit = "h"

[[sources]]
citation = "none: made up for tests"

[parameters.CL]
value = 5
unit = "L/h"
iiv = 0.16
{SOURCE}

[parameters.V]
value = 20
unit = "L"
iiv = 0.09
{SOURCE}

[states.A]
unit = "mg"
derivative = "input(toxin) - CL/V*A"

[outputs.toxin_plasma]
unit = "mg/L"
expression = "A/V"
aliases = ["toxin"]
error = {{ proportional = 0.2, {SOURCE} }}

[cadence]
estimate = 24
forecast = 24
horizon = 24
"""


def absorption() -> Model:
    """Depot and central compartment (linear, two routes, an area with a target), a growing and a driven population."""
    return parse_model(ABSORPTION, "toy_absorption.toml")


def chain() -> Model:
    """A transit chain with equal rates: linear, but defective."""
    return parse_model(CHAIN, "toy_chain.toml")


def bolus() -> Model:
    """One linear compartment with two random effects."""
    return parse_model(BOLUS, "toy_bolus.toml")


WEIBULL = f"""
id = "awaited"
drug = "toxin"
title = "An event whose hazard grows or falls with time"
time_unit = "h"

[[sources]]
citation = "made up for a test"

[covariates.ARM]
unit = "1"
reference = 0
{SOURCE}

[parameters.rate]
value = 0.03
unit = "1/h"
{SOURCE}

[parameters.shape]
value = SHAPE
unit = "1"
{SOURCE}

[parameters.effect]
value = 0.8
unit = "1"
{SOURCE}

[states.A]
unit = "mg"
derivative = "input(toxin) - rate*A"

[derived]
risk = {{ unit = "1/h", expression = "rate*exp(-effect*ARM)" }}

[outputs.relapse]
kind = "event"
hazard = "risk*shape*(risk*t + 1e-9)**(shape - 1)"

[cadence]
estimate = 24
forecast = 24
horizon = 168
"""
"""SHAPE is a number to be filled in; the rate is 'risk', the time counts from where the record begins."""


PRESSURE = f"""
id = "toy_pressure"
drug = "toxin"
title = "Pressure that rises to a new level, read by a cuff"
time_unit = "h"

[[sources]]
citation = "none: made up for tests"

[inputs.toxin]
enters_nothing = true
{SOURCE}

[parameters.Base]
value = 120
unit = "mm[Hg]"
iiv = 0.01
{SOURCE}

[parameters.rise]
value = 0.1
unit = "1"
iiv = 0.25
{SOURCE}

[parameters.pace]
value = 0.1
unit = "1/h"
{SOURCE}

[states.P]
unit = "mm[Hg]"
initial = "Base"
derivative = "pace*(Base*(1 + rise) - P)"

[outputs.pressure]
unit = "mm[Hg]"
expression = "P"
error = {{ additive = 10, {SOURCE} }}
vital = {{ channel = "systolic_bp" }}

[toxicities.faint]
output = "pressure"
below = 60
unit = "mm[Hg]"
horizon = 24
{SOURCE}

[cadence]
estimate = 4
forecast = 24
horizon = 24
"""


def pressure(window: float = 1.0) -> Model:
    """A pressure of two random effects that the readings of a cuff observe, gathered over some hours."""
    text = PRESSURE.replace('"systolic_bp" }', f'"systolic_bp", window = {window}, assumed = "a test" }}')
    return parse_model(text, "toy_pressure.toml")


LEVELS = f"""
id = "toy_levels"
drug = "toxin"
title = "One compartment, infused over an hour every week, and a marker that it lowers at once"
time_unit = "h"

[[sources]]
citation = "none: made up for tests"

[parameters.CL]
value = 6
unit = "L/h"
iiv = 0.09
{SOURCE}

[parameters.V]
value = 30
unit = "L"
iiv = 0.04
{SOURCE}

[parameters.Base]
value = 5
unit = "10*9/L"
iiv = 0.04
{SOURCE}

[parameters.half]
value = 1.0
unit = "mg/L"
{SOURCE}

[states.A]
unit = "mg"
derivative = "input(toxin) - CL/V*A"

[outputs.toxin_plasma]
unit = "mg/L"
expression = "A/V"
aliases = ["toxin"]
error = {{ proportional = 0.2, {SOURCE} }}

[outputs.marker]
unit = "10*9/L"
expression = "Base*half/(half + A/V)"
error = {{ log_additive = 0.2, {SOURCE} }}

[[regimens]]
drug = "toxin"
amount = 90
amount_unit = "mg"
duration = 1
interval = 168
cycles = 8
route = "iv"
{SOURCE}

[cadence]
estimate = 4
forecast = 24
horizon = 168
"""


def made(
    parameters: dict[str, str],
    states: dict[str, str],
    outputs: dict[str, str],
    *,
    time_unit: str = "h",
    drugs: tuple[str, ...] = ("toxin",),
    extra: str = "",
) -> Model:
    """A model from short lines: ``"value unit [iiv]"``, ``"unit: [initial ->] derivative"``, ``"unit: formula"``."""
    text = f'id = "made"\ndrug = "{drugs[0]}"\ntitle = "made up"\ntime_unit = "{time_unit}"\n'
    text += "[[sources]]\ncitation = 'none: made up for tests'\n"
    text += "".join(f"[inputs.{drug}]\n{SOURCE}\n" for drug in drugs[1:])
    for name, line in parameters.items():
        value, unit, *iiv = line.split(maxsplit=2)
        text += f'[parameters.{name}]\nvalue = {value}\nunit = "{unit}"\n{SOURCE}\n'
        variance, _, expression = (iiv[0] if iiv else "").partition("|")
        text += f"iiv = {variance}\n" if variance.strip() else ""
        text += f'expression = "{expression.strip()}"\n' if expression else ""
    for name, line in states.items():
        unit, _, formula = line.partition(":")
        initial, arrow, derivative = formula.partition("->")
        text += (
            f'[states.{name}]\nunit = "{unit.strip()}"\nderivative = "{(derivative if arrow else initial).strip()}"\n'
        )
        text += f'initial = "{initial.strip()}"\n' if arrow else ""
    for name, line in outputs.items():
        unit, _, formula = line.partition(":")
        text += f'[outputs.{name}]\nunit = "{unit.strip()}"\nexpression = "{formula.strip()}"\n'
        text += f"error = {{ proportional = 0.2, {SOURCE} }}\n"
    text += f"{extra}\n[cadence]\nestimate = 24\nforecast = 24\nhorizon = 96\n"
    return parse_model(text, "made.toml")


def restless() -> Model:
    """The model of `absorption` with a clearance that differs between occasions, and everything drifting quickly."""
    text = ABSORPTION
    for variance in ("0.09", "0.04", "0.16"):
        text = text.replace(f"iiv = {variance}\n", f"iiv = {variance}\ndrift = 0.0005\n")
    text = text.replace("iiv = 0.09\n", "iiv = 0.09\niov = 0.03\n", 1).replace('"toy_absorption"', '"toy_restless"')
    occasions = f'[occasions]\ndrug = "toxin"\ngap = 6\n{SOURCE}\n'
    return parse_model(f"{text}\n{occasions}\n[drift]\ngrid = 6\nlag = 12\n{SOURCE}\n", "toy_restless.toml")
