"""Structures of published models, several side by side in one file, follow their equations: held against LSODA.

None of them names its steps: they are chosen from the regimen.
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


ORGANS = {
    "lung": (0.5, 1.0), "heart": (0.33, 0.04), "brain": (1.4, 0.12), "muscle": (28.0, 0.25), "adipose": (14.0, 0.05),
    "skin": (3.0, 0.05), "bone": (10.0, 0.05), "kidney": (0.31, 0.19), "spleen": (0.18, 0.03), "gut": (1.2, 0.15),
}  # fmt: skip


def body() -> Model:
    """A generic physiologically based model, made up to show the reach: thirteen compartments, perfusion-limited, with
    a liver that is fed by gut and spleen and eliminates saturably, and a kidney that filters."""
    partition = {"adipose": 6.0, "muscle": 1.5, "brain": 0.4, "lung": 2.0}
    parameters = {"QC": "300 L/h 0.02", "VM": "40 mg/h 0.09", "KM": "0.8 mg/L", "GFR": "6 L/h 0.04"}
    parameters |= {f"V_{name}": f"{volume} L" for name, (volume, _) in ORGANS.items()}
    parameters |= {f"f_{name}": f"{flow} 1" for name, (_, flow) in ORGANS.items() if name != "lung"}
    parameters |= {f"K_{name}": f"{partition.get(name, 1.0)} 1" for name in ORGANS}
    parameters |= {
        "V_liver": "1.7 L",
        "f_artery": "0.07 1",
        "V_arterial": "1.6 L",
        "V_venous": "3.4 L",
        "K_liver": "3 1",
    }
    out = {name: f"{name}/(V_{name}*K_{name})" for name in [*ORGANS, "liver"]}
    states = {"arterial": f"mg: QC*({out['lung']} - arterial/V_arterial)"}
    states["lung"] = f"mg: QC*(venous/V_venous - {out['lung']})"
    for name in ORGANS:
        if name != "lung":
            filtered = f" - GFR*{out[name]}" if name == "kidney" else ""
            states[name] = f"mg: QC*f_{name}*(arterial/V_arterial - {out[name]}){filtered}"
    portal = f"f_gut*{out['gut']} + f_spleen*{out['spleen']}"
    states["liver"] = (
        f"mg: QC*({portal} + f_artery*arterial/V_arterial - (f_gut + f_spleen + f_artery)*{out['liver']})"
        f" - VM*{out['liver']}/(KM + {out['liver']})"
    )
    rest = [name for name in ORGANS if name not in ("lung", "gut", "spleen")]
    back = " + ".join(f"f_{name}*{out[name]}" for name in rest)
    states["venous"] = (
        f"mg: input(toxin) + QC*({back} + (f_gut + f_spleen + f_artery)*{out['liver']} - venous/V_venous)"
    )
    outputs = {
        "plasma": "mg/L: venous/V_venous",
        "fat": "mg/L: adipose/V_adipose",
        "liver_level": "mg/L: liver/V_liver",
    }
    return toys.made(parameters, states, outputs, extra=regimen(200, 1, 24, 2))


@pytest.mark.parametrize("make", [kinetics, responses, tumours, body])
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


def test_a_physiologically_based_model_has_more_than_ten_organs() -> None:
    assert len(body().states) == 13
