"""Structures of published models, several side by side in one file, follow their equations: held against LSODA.

None of them names its steps: they are chosen from the regimen. A whole body of organs is in the library
(`irinotecan_toshimoto2017`), and held against LSODA with it.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.equations import reference
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.solver.step_control import step_sizes_for
from twin.timeline.regimen import ORIGIN, treated, treatment


def regimen(amount: float, duration: float, interval: float, cycles: int) -> str:
    return (
        f'[[regimens]]\ndrug = "toxin"\namount = {amount}\namount_unit = "mg"\nduration = {duration}\n'
        f'interval = {interval}\ncycles = {cycles}\nroute = "iv"\n{toys.SOURCE}\n'
    )


def kinetics() -> Model:
    """Michaelis-Menten, that in parallel with linear elimination, a drug that its target binds, an effect site with a
    sigmoid effect, and clearance that falls with time."""
    return toys.made(
        {"VM": "10 mg/h 0.09", "KM": "2 mg/L", "V": "15 L 0.04", "CL": "3 L/h 0.09", "kon": "0.6 L/(mg.h)",
         "koff": "0.05 1/h", "kint": "0.1 1/h", "kdeg": "0.08 1/h", "Rest": "2 mg/L 0.04", "ke0": "0.3 1/h",
         "E0": "100 1", "Emax": "0.9 1", "EC50": "1.5 mg/L 0.1", "hill": "2.7 1", "fall": "0.4 1", "T50": "20 h"},
        {"Sat": "mg: input(toxin) - VM*Sat/V/(KM + Sat/V)",
         "Parallel": "mg: input(toxin) - CL/V*Parallel - VM*Parallel/V/(KM + Parallel/V)",
         "Free": "mg/L: input(toxin)/V - CL/V*Free - kon*Free*Target + koff*Bound",
         "Target": "mg/L: Rest -> kdeg*(Rest - Target) - kon*Free*Target + koff*Bound",
         "Bound": "mg/L: kon*Free*Target - (koff + kint)*Bound",
         "Site": "mg/L: ke0*(Sat/V - Site)",
         "Waning": "mg: input(toxin) - CL/V*Waning*(1 - fall*t/(T50 + t))"},
        {"level": "mg/L: Sat/V", "parallel": "mg/L: Parallel/V", "free": "mg/L: Free", "target": "mg/L: Target",
         "bound": "mg/L: Bound", "effect": "1: E0*(1 - Emax*(Site/EC50)**hill/(1 + (Site/EC50)**hill))",
         "waning": "mg/L: Waning/V"},
        extra=regimen(120, 1, 24, 3),
    )  # fmt: skip


def responses() -> Model:
    """The four indirect responses (Dayneka 1993), a rhythm of the day, and tolerance by a moderator that follows."""
    return toys.made(
        {"CL": "4 L/h 0.09", "V": "20 L 0.04", "IC": "1 mg/L 0.1", "kin": "5 1/h", "kout": "0.25 1/h 0.05", "S": "2 1",
         "amp": "0.4 1", "ktol": "0.05 1/h"},
        {"A": "mg: input(toxin) - CL/V*A",
         "R1": "1: kin/kout -> kin*(1 - A/V/(IC + A/V)) - kout*R1",
         "R2": "1: kin/kout -> kin - kout*(1 - A/V/(IC + A/V))*R2",
         "R3": "1: kin/kout -> kin*(1 + S*A/V/(IC + A/V)) - kout*R3",
         "R4": "1: kin/kout -> kin - kout*(1 + S*A/V/(IC + A/V))*R4",
         "Day": "1: kin/kout -> kin*(1 + amp*cos(2*3.141592653589793*(clock - 6)/24)) - kout*Day",
         "M": "1: ktol*(R3*kout/kin - 1 - M)"},
        {"r1": "1: R1", "r2": "1: R2", "r3": "1: R3/(1 + M)", "r4": "1: R4", "day": "1: Day"},
        extra=regimen(100, 2, 24, 3),
    )  # fmt: skip


def tumours() -> Model:
    """Exponential, linear and Gompertz growth with killing, Simeoni 2004, Claret 2009, and Stein's closed form."""
    return toys.made(
        {"CL": "80 L/d 0.09", "V": "20 L", "kg": "0.03 1/d 0.04", "line": "1.2 mm", "kill": "0.02 L/(mg.d) 0.1",
         "most": "200 mm", "T0": "50 mm", "l0": "0.15 1/d", "l1": "4 mm/d", "k1": "0.6 1/d", "fade": "0.05 1/d",
         "ks": "0.02 1/d", "psi": "20 1"},
        {"A": "mg: input(toxin) - CL/V*A",
         "Exponential": "mm: T0 -> kg*Exponential - kill*A/V*Exponential",
         "Linear": "mm: T0 -> kg*line - kill*A/V*Linear",
         "Gompertz": "mm: T0 -> kg*Gompertz*log(most/Gompertz) - kill*A/V*Gompertz",
         "Claret": "mm: T0 -> kg*Claret - kill*A/V*exp(-fade*t)*Claret",
         "X1": "mm: 5 -> l0*X1/(1 + (l0/l1*(X1 + X2 + X3))**psi)**(1/psi) - kill*A/V*X1",
         "X2": "mm: kill*A/V*X1 - k1*X2",
         "X3": "mm: k1*(X2 - X3)"},
        {"exponential": "mm: Exponential", "linear": "mm: Linear", "gompertz": "mm: Gompertz", "claret": "mm: Claret",
         "simeoni": "mm: X1 + X2 + X3", "stein": "mm: T0*(exp(-ks*t) + exp(kg*t) - 1)"},
        time_unit="d",
        extra=regimen(400, 0.1, 7, 4),
    )  # fmt: skip


@pytest.mark.parametrize("make", [kinetics, responses, tumours])
def test_the_structures_of_published_models_follow_their_equations(make: object) -> None:
    model = make()  # type: ignore[operator]
    kernel = compile_model(model)
    step_sizes = step_sizes_for(kernel)
    assert step_sizes.largest > 0
    unit = {"h": HOUR_MS, "d": 24 * HOUR_MS}[model.time_unit]
    days = 30 if model.time_unit == "d" else 3
    timeline = treated(kernel, treatment(model, "P-1", days))
    marks = ORIGIN + np.unique(np.rint(np.array([0.3, 1.0, 2.5, 7, 15, 23.9, 24.5, 40, 60]) * unit)).astype(np.int64)
    eta = patients(kernel, drawn=1)[:2]
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)
