"""What each parameter is called, measured in and coded as.

Volumes and clearances come in litres, and where the dose is given by weight or surface in litres of that; areas stay in
the units that were measured. Codes are CDISC's (PKPARMCD), where it has one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twin.nca.profile import NcaError
from twin.units import UnitError, quantity_of


class Meaning(NamedTuple):
    """``code`` of CDISC, ``""`` where it has none; ``unit`` as a sum of exponents, see `Units.of`; in words."""

    code: str
    unit: str
    words: str


_OBS, _PRED = "by the last value", "by the terminal line"
MEANINGS: dict[str, Meaning] = {
    "dose": Meaning("", "D", "dose"),
    "points": Meaning("", "1", "values that were used"),
    "tlag": Meaning("TLAG", "T", "time of the last value before the first that is measurable"),
    "c0": Meaning("C0", "C", "concentration at the dose, followed back"),
    "tmax": Meaning("TMAX", "T", "time of the largest value"),
    "cmax": Meaning("CMAX", "C", "largest value"),
    "cmax_per_dose": Meaning("CMAXD", "C/D", "largest value for one unit of the dose"),
    "tlast": Meaning("TLST", "T", "time of the last measurable value"),
    "clast": Meaning("CLST", "C", "last measurable value"),
    "r_squared": Meaning("R2", "1", "R squared of the terminal line"),
    "adjusted_r_squared": Meaning("R2ADJ", "1", "R squared of the terminal line, adjusted for its points"),
    "correlation": Meaning("CORRXY", "1", "correlation of time and log concentration on the terminal line"),
    "lambda_z": Meaning("LAMZ", "1/T", "terminal slope"),
    "lambda_z_points": Meaning("LAMZNPT", "1", "values on the terminal line"),
    "lambda_z_lower": Meaning("LAMZLL", "T", "begin of the terminal line"),
    "lambda_z_upper": Meaning("LAMZUL", "T", "end of the terminal line"),
    "lambda_z_span": Meaning("LAMZSPN", "1", "length of the terminal line in half-lives"),
    "half_life": Meaning("LAMZHL", "T", "terminal half-life"),
    "auc_last": Meaning("AUCLST", "CT", "area to the last measurable value"),
    "auc_all": Meaning("AUCALL", "CT", "area to the last value"),
    "aumc_last": Meaning("AUMCLST", "CTT", "area of the first moment to the last measurable value"),
    "mrt_last": Meaning("", "T", "mean residence time to the last measurable value"),
    **{
        f"{name}_{kind}": Meaning(code and code + short, unit, f"{words}, {how}")
        for kind, short, how in (("obs", "O", _OBS), ("pred", "P", _PRED))
        for name, code, unit, words in (
            ("auc_inf", "AUCIF", "CT", "area to infinity"),
            ("auc_inf_per_dose", "", "CT/D", "area to infinity for one unit of the dose"),
            ("auc_extrapolated", "AUCPE", "%", "share of the area to infinity beyond the last value"),
            ("auc_back_extrapolated", "AUCPBE", "%", "share of the area to infinity before the first value"),
            ("aumc_inf", "AUMCIF", "CTT", "area of the first moment to infinity"),
            ("aumc_extrapolated", "AUMCPE", "%", "share of that beyond the last value"),
            ("mrt_inf", "", "T", "mean residence time"),
            ("vz", "VZ", "D/C", "volume by the terminal slope"),
            ("vz_f", "VZF", "D/C", "apparent volume by the terminal slope"),
            ("clearance", "CL", "D/CT", "clearance"),
            ("clearance_f", "CLF", "D/CT", "apparent clearance"),
            ("vss", "VSS", "D/C", "volume at steady state"),
        )
    },
    "tau": Meaning("TAU", "T", "interval of the dose"),
    "tmin": Meaning("TMIN", "T", "time of the smallest value of the interval"),
    "cmin": Meaning("CMIN", "C", "smallest value of the interval"),
    "ctau": Meaning("CTAU", "C", "concentration at the end of the interval"),
    "caverage": Meaning("CAVG", "C", "mean concentration of the interval"),
    "auc_tau": Meaning("AUCTAU", "CT", "area of the interval"),
    "auc_tau_per_dose": Meaning("AUCTAUD", "CT/D", "area of the interval for one unit of the dose"),
    "aumc_tau": Meaning("AUMCTAU", "CTT", "area of the first moment of the interval"),
    "fluctuation": Meaning("FLUCP", "%", "largest less smallest value over the mean"),
    "swing": Meaning("SWING", "1", "largest less smallest value over the smallest"),
    "accumulation": Meaning("", "1", "accumulation that the terminal slope foretells"),
    "clearance_ss": Meaning("CLSS", "D/CT", "clearance at steady state"),
    "clearance_ss_f": Meaning("CLSSF", "D/CT", "apparent clearance at steady state"),
    "vz_ss": Meaning("", "D/C", "volume by the terminal slope at steady state"),
    "vz_ss_f": Meaning("", "D/C", "apparent volume by the terminal slope at steady state"),
    "mrt_ss": Meaning("", "T", "mean residence time at steady state"),
    "vss_ss": Meaning("", "D/C", "volume at steady state, of a dose at steady state"),
    "auc_sparse": Meaning("", "CT", "area under the means of all patients"),
    "auc_sparse_se": Meaning("", "CT", "its standard error"),
    "auc_sparse_df": Meaning("", "1", "its degrees of freedom"),
    "auc_sparse_lower": Meaning("", "CT", "lower end of its 95 % interval"),
    "auc_sparse_upper": Meaning("", "CT", "upper end of its 95 % interval"),
    "cmax_sparse": Meaning("", "C", "largest mean"),
    "cmax_sparse_se": Meaning("", "C", "its standard error"),
    "recovered": Meaning("RCAMINT", "D", "amount in the urine"),
    "recovered_share": Meaning("RCPCINT", "%", "share of the dose in the urine"),
    "rate_max": Meaning("ERMAX", "D/T", "largest rate of excretion"),
    "rate_tmax": Meaning("ERTMAX", "T", "middle of the collection with the largest rate"),
    "rate_last": Meaning("ERLST", "D/T", "last measurable rate of excretion"),
    "rate_tlast": Meaning("ERTLST", "T", "middle of the collection with the last measurable rate"),
    "aurc_last": Meaning("", "D", "area under the rates to the last measurable one"),
    "aurc_all": Meaning("", "D", "area under the rates"),
    "aurc_inf_obs": Meaning("", "D", f"area under the rates to infinity, {_OBS}"),
    "aurc_inf_pred": Meaning("", "D", f"area under the rates to infinity, {_PRED}"),
    "aurc_extrapolated_obs": Meaning("", "%", "share of that beyond the last rate"),
    "aurc_extrapolated_pred": Meaning("", "%", f"share of that beyond the last rate, {_PRED}"),
}  # fmt: skip
"""By name, in the order of a table."""

_INTERVAL = re.compile(r"auc_[\d.e+]+_[\d.e+]+")


class Units:
    """The units of a data set.

    Args:
        dose, concentration: UCUM, such as ``mg``, ``mg/kg`` and ``ng/mL``.
        time: ``min``, ``h`` or ``d``.
        molar_mass: g/mol, where dose and concentration are not both mass or both substance.

    Raises:
        NcaError: one cannot be read, or a dose over a concentration is no volume.
    """

    def __init__(self, dose: str = "mg", concentration: str = "mg/L", time: str = "h", molar_mass: float | None = None):
        if time not in ("min", "h", "d"):
            raise NcaError(f"time unit {time!r}: it is one of min, h and d")
        self._codes = {"D": dose, "C": concentration, "T": time}
        self.volume, self.litres = _volume(dose, concentration, molar_mass)

    def of(self, name: str) -> str:
        """The unit of a parameter, UCUM."""
        kind = meaning_of(name).unit
        codes = self._codes
        dose, concentration, time = codes["D"], codes["C"], codes["T"]
        return {
            "1": "1", "%": "%", "D": dose, "C": concentration, "T": time, "1/T": f"1/{time}",
            "CT": f"{concentration}.{time}", "CTT": f"{concentration}.{time}2",
            "C/D": f"({concentration})/({dose})", "CT/D": f"({concentration}.{time})/({dose})",
            "D/C": self.volume, "D/CT": f"{self.volume}/{time}", "D/T": f"{dose}/{time}",
        }[kind]  # fmt: skip

    def amount_in(self, volume: str) -> float:
        """What one concentration in one such volume is, in the unit of the dose.

        Raises:
            NcaError: the unit cannot be read, or it is no amount such as the dose.
        """
        dose, concentration = self._codes["D"], self._codes["C"]
        try:
            share = quantity_of(concentration) * quantity_of(volume) / quantity_of(dose)
        except UnitError as error:
            raise NcaError(str(error)) from None
        if not share.dimensionless:
            raise NcaError(f"a concentration in {concentration!r} times a volume in {volume!r} is no dose in {dose!r}")
        return float(share.to("dimensionless").magnitude)

    def carried(self, found: dict[str, float]) -> dict[str, float]:
        """Parameters in the units that `of` tells: volumes and clearances in litres."""
        return {
            name: value * self.litres if meaning_of(name).unit in ("D/C", "D/CT") else value
            for name, value in found.items()
        }


def meaning_of(name: str) -> Meaning:
    """What a parameter means; an area of its own interval is called ``auc_<begin>_<end>``."""
    if _INTERVAL.fullmatch(name):
        begin, end = name.split("_")[1:]
        return Meaning("AUCINT", "CT", f"area from {begin} to {end}")
    return MEANINGS[name]


def _volume(dose: str, concentration: str, molar_mass: float | None) -> tuple[str, float]:
    """The unit of a volume, and litres (for each kg or m2 of the dose) in one dose unit over one of concentration."""
    try:
        volume = quantity_of(dose) / quantity_of(concentration)
    except UnitError as error:
        raise NcaError(str(error)) from None
    mass = quantity_of("g") / quantity_of("mol")
    weighed = () if molar_mass is None else (volume / (molar_mass * mass), volume * (molar_mass * mass))
    for candidate in (volume, *weighed):
        for unit in ("L", "L/kg", "L/m2"):
            wanted = quantity_of(unit)
            if candidate.dimensionality == wanted.dimensionality:
                return unit, float(f"{float((candidate / wanted).to('dimensionless').magnitude):.12g}")
    molar = "" if molar_mass is not None else ", with the molar mass if one is a mass and the other is not"
    said = f"a dose in {dose!r} over a concentration in {concentration!r} is no volume"
    raise NcaError(f"{said}: give units that fit{molar}")
