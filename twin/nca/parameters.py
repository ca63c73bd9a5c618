"""Everything that a noncompartmental analysis tells of one dose.

Names and formulas are those of Phoenix WinNonlin (User's Guide 8.3, "NCA parameter formulas") and of Gabrielsson and
Weiner 2016, Pharmacokinetic and Pharmacodynamic Data Analysis, 5th ed., chapter 2; codes are CDISC's PKPARMCD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.nca.profile import Profile
from twin.nca.terminal import Terminal, best_terminal
from twin.nca.trapezoids import Course, Rule


class Analysis(NamedTuple):
    """What was found by name (`twin.nca.units.MEANINGS`), in order; what cannot be told is left out of it.

    Attributes:
        remarks: why something was left out, or is to be taken with care.
    """

    found: dict[str, float]
    remarks: tuple[str, ...]


FAR = 20.0
"""Per cent of an area that lie beyond the last value, from which it is to be taken with care (FDA and EMA: 20 %)."""


def analyse(
    profile: Profile,
    rule: Rule = "linear_up_log_down",
    terminal: Terminal | None = None,
    intervals: Sequence[tuple[float, float]] = (),
) -> Analysis:
    """All parameters of one dose.

    Args:
        profile: what was measured.
        rule: what lies between two values.
        terminal: the terminal line; by default `best_terminal`.
        intervals: begin and end of areas of their own, in the profile's unit of time.
    """
    remarks: list[str] = []
    line = best_terminal(profile) if terminal is None else terminal
    if line is None:
        remarks.append("no three values after the peak fall: no terminal slope, and nothing that needs it")
    if not profile.alone:
        remarks.append("an earlier dose was in the body: what supposes a single one was left out")
    times, values = profile.from_the_dose()
    last = int(np.flatnonzero(values > 0.0)[-1])
    course = Course.by(rule, times, values)
    found = _peak(profile, times, values)
    if line is not None:
        found |= _line(line)
    found |= _areas(profile, course, last, line, remarks)
    if profile.tau is not None:
        found |= _steady(profile, course, line, found, remarks)
    for begin, end in intervals:
        if (area := area_between(course, last, line, begin, end)) is not None:
            found[f"auc_{begin:g}_{end:g}"] = area
        else:
            remarks.append(f"auc_{begin:g}_{end:g}: the last value is before its end, and there is no terminal slope")
    return Analysis(found, tuple(remarks))


def area_between(course: Course, last: int, line: Terminal | None, begin: float, end: float) -> float | None:
    """The area from one time to another; beyond the ``last`` measurable value it follows the terminal line from there.

    ``None`` where there is no such line.
    """
    tail = float(course.times[last])
    area = float(course.within(begin, min(end, tail)).areas().sum()) if begin < min(end, tail) else 0.0
    if end <= tail:
        return area
    if line is None:
        return None
    first = max(begin, tail)
    clast = float(course.values[last])
    decays = np.exp(-line.rate * (first - tail)) - np.exp(-line.rate * (end - tail))
    return area + clast * float(decays) / line.rate


def _peak(profile: Profile, times: Floats, values: Floats) -> dict[str, float]:
    peak = int(np.argmax(profile.values))
    cmax = float(profile.values[peak])
    last = profile.last
    found = {"dose": profile.dose, "points": float(len(profile.times))}
    if profile.route == "extravascular" and profile.tau is None:
        first = int(np.flatnonzero(values > 0.0)[0])
        found["tlag"] = float(times[max(first - 1, 0)])
    if profile.route == "bolus":
        found["c0"] = float(values[0])
    return found | {
        "tmax": float(profile.times[peak]),
        "cmax": cmax,
        "cmax_per_dose": cmax / profile.dose,
        "tlast": float(profile.times[last]),
        "clast": float(profile.values[last]),
    }


def _line(line: Terminal) -> dict[str, float]:
    half_life = float(np.log(2.0)) / line.rate
    return {
        "r_squared": line.r_squared,
        "adjusted_r_squared": line.adjusted_r_squared,
        "correlation": line.correlation,
        "lambda_z": line.rate,
        "lambda_z_points": float(line.points),
        "lambda_z_lower": line.lower,
        "lambda_z_upper": line.upper,
        "lambda_z_span": (line.upper - line.lower) / half_life,
        "half_life": half_life,
    }


def _areas(profile: Profile, course: Course, last: int, line: Terminal | None, remarks: list[str]) -> dict[str, float]:
    """Areas to the last value and to infinity, and what follows from the latter of a dose that stands alone."""
    areas, moments = course.areas(), course.moments()
    auc, aumc = float(areas[:last].sum()), float(moments[:last].sum())
    half = profile.duration / 2
    found = {"auc_last": auc, "auc_all": float(areas.sum()), "aumc_last": aumc}
    single = profile.tau is None and profile.alone
    if single and auc > 0.0:
        found["mrt_last"] = aumc / auc - half
    if line is None:
        return found
    tlast = float(course.times[last])
    for kind, clast in (("obs", float(course.values[last])), ("pred", line.at(tlast))):
        beyond = clast / line.rate
        whole = auc + beyond
        moment = aumc + tlast * beyond + beyond / line.rate
        found |= {
            f"auc_inf_{kind}": whole,
            f"auc_inf_per_dose_{kind}": whole / profile.dose,
            f"auc_extrapolated_{kind}": 100.0 * beyond / whole,
            f"aumc_inf_{kind}": moment,
            f"aumc_extrapolated_{kind}": 100.0 * (1.0 - aumc / moment),
        }
        if single:
            found |= _disposition(profile, kind, whole, moment / whole - half, line.rate)
        if profile.route == "bolus" and profile.times[0] > 0.0:
            found[f"auc_back_extrapolated_{kind}"] = 100.0 * float(areas[0]) / whole
    if single and found["auc_extrapolated_obs"] > FAR:
        remarks.append(f"{found['auc_extrapolated_obs']:.0f} % of the area to infinity lie beyond the last value")
    return found


def _disposition(profile: Profile, kind: str, area: float, residence: float, rate: float) -> dict[str, float]:
    """Clearance, volumes and residence of a single dose; apparent ones where some of it may not have come in."""
    clearance, over = profile.dose / area, "_f" if profile.route == "extravascular" else ""
    found = {
        f"mrt_inf_{kind}": residence,
        f"vz{over}_{kind}": clearance / rate,
        f"clearance{over}_{kind}": clearance,
    }
    if not over:
        found[f"vss_{kind}"] = clearance * residence
    return found


def _steady(
    profile: Profile, course: Course, line: Terminal | None, found: dict[str, float], remarks: list[str]
) -> dict[str, float]:
    """What the interval of a dose at steady state tells."""
    assert profile.tau is not None, "the dose is at steady state"
    tau = profile.tau
    last = int(np.flatnonzero(course.values > 0.0)[-1])
    area = area_between(course, last, line, 0.0, tau)
    if area is None:
        remarks.append(f"the last value is before the end of the interval, {tau:g}, and there is no terminal slope")
        return {}
    inside = profile.times <= tau
    lowest = int(np.argmin(np.where(inside, profile.values, np.inf)))
    cmin, cmax, average = float(profile.values[lowest]), float(profile.values[inside].max()), area / tau
    over = "_f" if profile.route == "extravascular" else ""
    told = {
        "tau": tau,
        "tmin": float(profile.times[lowest]),
        "cmin": cmin,
        "caverage": average,
        "auc_tau": area,
        "auc_tau_per_dose": area / profile.dose,
        "fluctuation": 100.0 * (cmax - cmin) / average,
        f"clearance_ss{over}": profile.dose / area,
    }
    if cmin > 0.0:
        told["swing"] = (cmax - cmin) / cmin
    if tau <= course.times[last]:
        told["ctau"] = course.at(tau)
    elif line is not None:
        told["ctau"] = float(course.values[last]) * float(np.exp(-line.rate * (tau - course.times[last])))
    if line is not None:
        told["accumulation"] = 1.0 / (1.0 - float(np.exp(-line.rate * tau)))
        told[f"vz_ss{over}"] = profile.dose / (line.rate * area)
        if tau <= course.times[last]:
            told |= _residence(profile, course.within(0.0, tau), found["auc_inf_obs"])
    return told


def _residence(profile: Profile, interval: Course, whole: float) -> dict[str, float]:
    """Mean residence time at steady state: the moment within the interval, and the area beyond it at its end."""
    area, moment, tau = float(interval.areas().sum()), float(interval.moments().sum()), float(interval.times[-1])
    residence = (moment + tau * (whole - area)) / area - profile.duration / 2
    found = {"aumc_tau": moment, "mrt_ss": residence}
    if profile.route != "extravascular":
        found["vss_ss"] = residence * profile.dose / area
    return found
