"""Sets of the kinds that are published: transit absorption with occasions, three compartments with a full Omega, a
metabolite below its limit, an effect behind its level, leucocytes under chemotherapy, grades, counts and a plateau.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import exp

import numpy as np
from scipy.linalg import expm
from scipy.special import gammaln

from tests.twin.population.simulated.made import Made, Parameter, covariate, measured, solved
from tests.twin.toys import SOURCE
from twin.arrays import Floats

Rng = np.random.Generator


def own(rng: Rng, parameters: dict[str, Parameter]) -> dict[str, float]:
    """One patient's own values of what is log-normal."""
    return {name: one.value * exp(rng.normal(0.0, (one.iiv or 0.0) ** 0.5)) for name, one in parameters.items()}


def scattered(rng: Rng, level: Floats, proportional: float, additive: float = 0.0) -> Floats:
    """Values of levels."""
    noise = rng.standard_normal((2, len(level)))
    return np.asarray(level * (1.0 + proportional * noise[0]) + additive * noise[1])


def transit(seed: int, patients: int = 25) -> Made:
    """100 mg by mouth on two occasions, through a number of transits that is estimated; CL and MTT vary between."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,AMT,DV,EVID,OCC"]
    p = {"CL": Parameter(5.0, "L/h", 0.09, 0.0225), "V": Parameter(40.0, "L", 0.04), "KA": Parameter(1.2, "1/h", 0.16)}
    p |= {"MTT": Parameter(1.5, "h", 0.09, 0.09), "NN": Parameter(4.0, "1")}
    for n in range(1, patients + 1):
        one = own(rng, p)
        for occasion in (1, 2):
            cl, mtt = one["CL"] * exp(rng.normal(0.0, 0.15)), one["MTT"] * exp(rng.normal(0.0, 0.3))
            times = np.array([0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 24]) * rng.uniform(0.95, 1.05, 10)
            k, nn = (one["NN"] + 1.0) / mtt, one["NN"]

            def slopes(
                t: float, y: Floats, cl: float = cl, k: float = k, nn: float = nn, one: dict = one
            ) -> list[float]:  # type: ignore[type-arg]
                arrives = 100.0 * k * exp(nn * np.log(k * max(t, 1e-12)) - k * t - gammaln(nn + 1.0))
                return [arrives - one["KA"] * y[0], one["KA"] * y[0] - cl / one["V"] * y[1]]

            values = scattered(rng, solved(slopes, [0.0, 0.0], times)[:, 1] / one["V"], 0.1, 0.02)
            begun = 168 * (occasion - 1)
            lines.append(f"{n},{begun},100,.,1,{occasion}")
            pairs = zip(times.tolist(), values.tolist(), strict=True)
            lines += [f"{n},{begun + t:.4f},.,{y:.6f},0,{occasion}" for t, y in pairs if y > 0.0]
    states = {"D": ("mg", "transit(toxin, n=NN, mtt=MTT) - KA*D"), "A": ("mg", "KA*D - CL/V*A")}
    more = covariate("OCC") + f'[occasions]\ncovariate = "OCC"\n{SOURCE}\n'
    truth = {"error.plasma.proportional": 0.1, "error.plasma.additive": 0.02}
    outputs = {"plasma": measured("mg/L", "A/V", "proportional = {p}, additive = {a}")}
    return Made(p, states, outputs, {"p": 0.1, "a": 0.02}, lines, truth, more)


def compartments(seed: int, patients: int = 60) -> Made:
    """100 mg over 1 h into three compartments, whose six numbers all correlate at 0.4; sampled for 120 h."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,AMT,RATE,DV,EVID"]
    names, values = ("CL", "V1", "Q2", "V2", "Q3", "V3"), np.array([2.0, 5.0, 1.5, 8.0, 0.6, 30.0])
    sd = np.array([0.3, 0.25, 0.35, 0.3, 0.4, 0.35])
    omega = (0.4 + 0.6 * np.eye(6)) * np.outer(sd, sd)
    times = np.array([0.25, 0.5, 1, 1.25, 1.5, 2, 3, 5, 8, 12, 24, 36, 48, 72, 120])
    for n in range(1, patients + 1):
        cl, v1, q2, v2, q3, v3 = values * np.exp(rng.multivariate_normal(np.zeros(6), omega))
        a = np.array([[-(cl + q2 + q3) / v1, q2 / v2, q3 / v3], [q2 / v1, -q2 / v2, 0.0], [q3 / v1, 0.0, -q3 / v3]])
        full = np.linalg.solve(a, np.array([100.0, 0.0, 0.0]))
        during = [expm(a * max(t - 1.0, 0.0)) @ (expm(a * min(t, 1.0)) @ full - full) for t in times]
        levels = scattered(rng, np.array(during)[:, 0] / v1, 0.1)
        lines.append(f"{n},0,100,100,.,1")
        lines += [f"{n},{t},.,.,{y:.6f},0" for t, y in zip(times, levels.tolist(), strict=True)]
    p = {
        name: Parameter(value, "L/h" if name[0] in "CQ" else "L", round(one * one, 4))
        for name, value, one in zip(names, values.tolist(), sd.tolist(), strict=True)
    }
    states = {"A": ("mg", "input(toxin) - (CL + Q2 + Q3)/V1*A + Q2/V2*B + Q3/V3*C")}
    states |= {"B": ("mg", "Q2/V1*A - Q2/V2*B"), "C": ("mg", "Q3/V1*A - Q3/V3*C")}
    pairs = [(one, other) for i, other in enumerate(names) for one in names[:i]]
    more = "".join(f'[[correlations]]\nbetween = ["{a}", "{b}"]\ncorrelation = 0.4\n{SOURCE}\n' for a, b in pairs)
    truth = {f"omega.{a}.{b}": float(omega[names.index(a), names.index(b)]) for a, b in pairs}
    outputs = {"plasma": measured("mg/L", "A/V1", "proportional = {p}")}
    return Made(p, states, outputs, {"p": 0.1}, lines, truth | {"error.plasma.proportional": 0.1}, more)


def metabolite(seed: int, patients: int = 80) -> Made:
    """100 mg by mouth, a parent and three tenths of it as its metabolite, each known only below a limit at the end."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,AMT,DV,EVID,DVID,CENS"]
    p = {"CL": Parameter(8.0, "L/h", 0.09), "V": Parameter(60.0, "L", 0.0625), "KA": Parameter(0.8, "1/h", 0.16)}
    p |= {"FM": Parameter(0.3, "1", distribution="logit"), "CLM": Parameter(12.0, "L/h", 0.1225)}
    times = np.array([0.5, 1, 2, 4, 8, 12, 24, 36, 48])
    for n in range(1, patients + 1):
        o = own(rng, p)
        k, ka, km = o["CL"] / o["V"], o["KA"], o["CLM"] / o["V"]
        a = np.array([[-ka, 0.0, 0.0], [ka, -k, 0.0], [0.0, 0.3 * k, -km]])
        held = np.array([expm(a * t) @ np.array([100.0, 0.0, 0.0]) for t in times]) / o["V"]
        lines.append(f"{n},0,100,.,1,.,0")
        for output, limit in ((1, 0.05), (2, 0.03)):
            values = scattered(rng, held[:, output], 0.15, 0.01)
            lines += [
                f"{n},{t},.,{max(y, limit):.6f},0,{output},{int(y < limit)}"
                for t, y in zip(times, values.tolist(), strict=True)
            ]
    # In order of time, as a data file has them.
    lines[1:] = sorted(lines[1:], key=lambda line: (int(line.split(",")[0]), float(line.split(",")[1])))
    states = {"D": ("mg", "input(toxin) - KA*D"), "A": ("mg", "KA*D - CL/V*A"), "M": ("mg", "FM*CL/V*A - CLM/V*M")}
    outputs = {
        "parent": measured("mg/L", "A/V", "proportional = {p}, additive = {a}"),
        "metabolite": measured("mg/L", "M/V", "proportional = {p}, additive = {a}"),
    }
    truth = {f"error.{o}.{size}": v for o in outputs for size, v in (("proportional", 0.15), ("additive", 0.01))}
    return Made(p, states, outputs, {"p": 0.15, "a": 0.01}, lines, truth)


def effect(seed: int, patients: int = 40) -> Made:
    """600 mg over 10 min into two compartments, and a baseline that falls sigmoidally behind the level: 8 effects."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,AMT,RATE,DV,EVID,DVID"]
    p = {"CL": Parameter(2.6, "L/min", 0.04), "V1": Parameter(5.0, "L", 0.0625), "Q": Parameter(2.0, "L/min", 0.04)}
    p |= {"V2": Parameter(10.0, "L", 0.0625), "ke": Parameter(0.6, "1/min", 0.16), "E0": Parameter(20.0, "1", 0.01)}
    p |= {"EM": Parameter(5.5, "1", 0.09), "EC": Parameter(12.0, "mg/L", 0.1225), "G": Parameter(2.5, "1")}
    times = np.array([1, 2, 4, 6, 8, 10, 11, 12, 14, 17, 20, 25, 30, 40], dtype=np.float64)
    for n in range(1, patients + 1):
        o = own(rng, p)

        def slopes(t: float, y: Floats, o: dict[str, float] = o) -> list[float]:
            given = 60.0 if t < 10.0 else 0.0
            out, back = (o["CL"] + o["Q"]) / o["V1"] * y[0], o["Q"] / o["V2"] * y[1]
            return [given - out + back, o["Q"] / o["V1"] * y[0] - back, o["ke"] * (y[0] / o["V1"] - y[2])]

        held = solved(slopes, [0.0, 0.0, 0.0], times, [10.0])
        share = np.maximum(held[:, 2], 0.0) ** 2.5 / (o["EC"] ** 2.5 + np.maximum(held[:, 2], 0.0) ** 2.5)
        seen = scattered(rng, o["E0"] + (o["EM"] - o["E0"]) * np.append(0.0, share), 0.0, 0.8)
        levels = scattered(rng, held[:, 0] / o["V1"], 0.12)
        lines += [f"{n},0,.,.,{seen[0]:.5f},0,2", f"{n},0,600,60,.,1,."]
        for t, y, e in zip(times, levels.tolist(), seen[1:].tolist(), strict=True):
            lines += [f"{n},{t},.,.,{y:.6f},0,1", f"{n},{t},.,.,{e:.5f},0,2"]
    states = {"A": ("mg", "input(toxin) - (CL + Q)/V1*A + Q/V2*B"), "B": ("mg", "Q/V1*A - Q/V2*B")}
    states |= {"Ce": ("mg/L", "ke*(A/V1 - Ce)")}
    ratio = "max(Ce/EC, 0.000001)**G"
    outputs = {
        "plasma": measured("mg/L", "A/V1", "proportional = {p}"),
        "eeg": measured("1", f"E0 + (EM - E0)*{ratio}/(1 + {ratio})", "additive = {b}"),
    }
    truth = {"error.plasma.proportional": 0.12, "error.eeg.additive": 0.8}
    return Made(p, states, outputs, {"p": 0.12, "b": 0.8}, lines, truth, time_unit="min")


def leucocytes(seed: int, patients: int = 45) -> Made:
    """300 mg over 3 h twice, and leucocytes that pass three transits with feedback (Friberg et al. 2002)."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,AMT,RATE,DV,EVID"]
    p = {"C0": Parameter(7.0, "10*9/L", 0.11), "MTT": Parameter(120.0, "h", 0.03)}
    p |= {"SL": Parameter(0.8, "L/mg", 0.18), "G": Parameter(0.2, "1")}
    known = {"V1": Parameter(20.0, "L"), "k1": Parameter(0.9, "1/h"), "k12": Parameter(0.4, "1/h")}
    known |= {"k21": Parameter(8.0 / 60.0, "1/h")}
    hours = np.array([24.0 * day + 10.0 for day in (4, 7, 9, 11, 14, 17, 20, 25, 28, 30, 33, 37, 41)])
    for n in range(1, patients + 1):
        o = own(rng, p)

        def slopes(t: float, y: Floats, o: dict[str, float] = o) -> list[float]:
            k, given = 4.0 / o["MTT"], 100.0 if t % 504.0 < 3.0 else 0.0
            born = k * y[2] * (1.0 - o["SL"] * y[0] / 20.0) * (o["C0"] / y[6]) ** 0.2
            through = [k * (y[i] - y[i + 1]) for i in (2, 3, 4, 5)]
            out, back = 0.9 * y[0], 8.0 / 60.0 * y[1]
            return [given - out + back, 0.4 * y[0] - back, born - k * y[2], *through]

        held = solved(slopes, [0.0, 0.0, *[o["C0"]] * 5], hours, [3.0, 504.0, 507.0])
        counts = scattered(rng, np.append(o["C0"], held[:, 6]), 0.25)
        rows = [(t, f"{n},{t},.,.,{max(y, 0.05):.5f},0") for t, y in zip(hours, counts[1:].tolist(), strict=True)]
        rows += [(-1.0, f"{n},0,.,.,{max(counts[0], 0.05):.5f},0"), (0.0, f"{n},0,300,100,.,1")]
        lines += [line for _, line in sorted([*rows, (504.0, f"{n},504,300,100,.,1")])]
    born = "4/MTT*Prol*(1 - SL*A/V1)*(C0/Circ)**G - 4/MTT*Prol"
    states = {"A": ("mg", "input(toxin) - k1*A + k21*B"), "B": ("mg", "k12*A - k21*B")}
    states |= {"Prol": ("10*9/L", born, "C0"), "T1": ("10*9/L", "4/MTT*(Prol - T1)", "C0")}
    states |= {"T2": ("10*9/L", "4/MTT*(T1 - T2)", "C0"), "T3": ("10*9/L", "4/MTT*(T2 - T3)", "C0")}
    states |= {"Circ": ("10*9/L", "4/MTT*(T3 - Circ)", "C0")}
    outputs = {"leucocytes": measured("10*9/L", "Circ", "proportional = {p}")}
    more = f"[fit]\nfixed = {json.dumps([*known])}\n"
    return Made(p, states, outputs, {"p": 0.25}, lines, {"error.leucocytes.proportional": 0.25}, more, known=known)


def grades(seed: int, patients: int = 120) -> Made:
    """Grades 0 to 3 nine times in 48 h, whose odds fall faster under treatment."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,DV,EVID,TRT"]
    p = {"a": Parameter(1.5, "1", 2.25, distribution="normal"), "d2": Parameter(1.2, "1"), "d3": Parameter(1.4, "1")}
    p |= {"b": Parameter(-0.05, "1/h", distribution="normal"), "bt": Parameter(-0.03, "1/h", distribution="normal")}
    for n in range(1, patients + 1):
        treated, base = n % 2, 1.5 + rng.normal(0.0, 1.5)
        lines.append(f"{n},0,.,2,{treated}")
        for t in (1, 2, 4, 8, 12, 16, 24, 36, 48):
            above = base - (0.05 + 0.03 * treated) * t - np.array([0.0, 1.2, 2.6])
            grade = int((rng.uniform() < 1.0 / (1.0 + np.exp(-above))).sum())
            lines.append(f"{n},{t},{grade},0,{treated}")
    steps = {"p1": "lp", "p2": "lp - d2", "p3": "lp - d2 - d3"}
    more = covariate("TRT") + '[terms.lp]\nunit = "1"\nexpression = "a + (b + bt*TRT)*t"\n'
    more += "".join(f'[terms.{k}]\nunit = "1"\nexpression = "1/(1 + exp(-({v})))"\n' for k, v in steps.items())
    outputs = {"grade": 'kind = "ordinal"\ncategories = ["1 - p1", "p1 - p2", "p2 - p3", "p3"]\n'}
    return Made(p, {"A": ("mg", "input(toxin)")}, outputs, {}, lines, {}, more)


def counts(seed: int, patients: int = 80) -> Made:
    """Counts of twelve days, half of which a treatment takes away from the fifth on, and zeros besides."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,DV,EVID,TRT"]
    p = {"rate": Parameter(6.0, "1", 0.36), "gone": Parameter(0.5, "1", 0.64, distribution="logit")}
    p |= {"none": Parameter(0.2, "1", 0.25, distribution="logit")}
    for n in range(1, patients + 1):
        treated, rate = n % 2, 6.0 * exp(rng.normal(0.0, 0.6))
        gone = 1.0 / (1.0 + exp(-rng.normal(0.0, 0.8)))
        none = 1.0 / (1.0 + exp(-rng.normal(np.log(0.25), 0.5)))
        lines.append(f"{n},0,.,2,{treated}")
        for day in range(1, 13):
            seen = rng.poisson(rate * (1.0 - treated * gone * (day > 4)))
            lines.append(f"{n},{day},{0 if rng.uniform() < none else seen},0,{treated}")
    section = 'kind = "count"\nexpression = "rate*(1 - TRT*gone*where(t > 4.5, 1, 0))"\nzeros = "none"\n'
    outputs = {"fits": section + f"error = {{{{ poisson = true, {SOURCE} }}}}\n"}
    return Made(p, {"A": ("mg", "input(toxin)")}, outputs, {}, lines, {}, covariate("TRT"), "d")


def plateau(seed: int, patients: int = 40) -> Made:
    """Six yields each, which rise with what was given as far as a plateau of one's own."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,DV,EVID,X"]
    p = {"Y": Parameter(80.0, "1", 0.0225), "XM": Parameter(100.0, "1", 0.09), "B": Parameter(0.3, "1", 0.09)}
    for n in range(1, patients + 1):
        o = own(rng, p)
        for time, x in enumerate((0.0, 40.0, 80.0, 120.0, 160.0, 200.0)):
            seen = o["Y"] + o["B"] * (min(x, o["XM"]) - o["XM"]) + 5.0 * rng.standard_normal()
            lines.append(f"{n},{time},{seen:.4f},0,{x}")
    outputs = {"crop": measured("1", "Y + B*(min(X, XM) - XM)", "additive = {a}")}
    truth = {"error.crop.additive": 5.0}
    return Made(p, {"A": ("mg", "input(toxin)")}, outputs, {"a": 5.0}, lines, truth, covariate("X", "backward"))


def no_plateau(seed: int, patients: int = 30) -> Made:
    """Five effects each that rise straight with what was given, for a model with a plateau that nobody came near."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,DV,EVID,X"]
    p = {"E0": Parameter(10.0, "1", 0.04), "EM": Parameter(50.0, "1", 0.09), "EC": Parameter(100.0, "1")}
    for n in range(1, patients + 1):
        base, slope = 10.0 * exp(rng.normal(0.0, 0.2)), 0.5 * exp(rng.normal(0.0, 0.3))
        for time, x in enumerate((0.0, 5.0, 10.0, 20.0, 40.0)):
            lines.append(f"{n},{time},{base + slope * x + rng.standard_normal():.4f},0,{x}")
    outputs = {"strength": measured("1", "E0 + EM*X/(EC + X)", "additive = {a}")}
    return Made(p, {"A": ("mg", "input(toxin)")}, outputs, {"a": 1.0}, lines, {}, covariate("X", "backward"))


SETS: dict[str, Callable[..., Made]] = {
    one.__name__: one for one in (transit, compartments, metabolite, effect, leucocytes, grades, counts, plateau)
}

LAPLACE: Sequence[str] = ("metabolite", "grades", "counts")
"""Those whose values need Laplace's method."""
