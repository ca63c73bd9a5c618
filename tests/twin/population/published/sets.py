"""Data sets with published estimates of their population: the model of each in our language, and its numbers.

The data are third parties' and stand outside of this tree (`tests.places.REFERENCE`); what needs them skips where they
are missing. Names of the published numbers are those of the source: ``log_x`` a logarithm, ``omega2_x`` a variance,
``omega_x`` a standard deviation, ``var_...`` and ``sd_...`` sizes of the error.
"""

from __future__ import annotations

import csv
import functools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connectors.feeds.nmtran.reader import read_table
from connectors.feeds.nmtran.times import ORIGIN
from tests.places import REFERENCE
from twin.events import to_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.theta import Theta
from twin.population.values import Population
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

FOLDER = Path(__file__).parent

DATA = REFERENCE / "population"


@dataclass(frozen=True)
class PublishedSet:
    """One set.

    Attributes:
        data: name of its files; ``model`` that of the model here, where it is another.
        names: the source's name of a parameter or output to ours.
        output: what DV is, where there is no DVID.
        dvid: values of DVID to outputs.
        number: which of several simulated data sets.
        rename: columns of the file to ours.
        fixed: numbers that were not estimated.
        first_dose: mg at TIME 0, where the file has no doses.
        from_zero: t counts from TIME 0 also of who was seen later.
    """

    data: str
    model: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    output: str = "plasma"
    dvid: Mapping[str, str] = field(default_factory=dict)
    number: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    first_dose: float | None = None
    from_zero: bool = False

    @functools.cached_property
    def here(self) -> bool:
        """Whether the data are on this machine."""
        return (DATA / f"{self.data}.csv").exists()

    @functools.cached_property
    def said(self) -> dict[str, Any]:
        """What the set's JSON says."""
        found: dict[str, Any] = json.loads((DATA / f"{self.data}.json").read_text())
        return found

    def read_model(self) -> Model:
        """The model, at the values that the published fit began with."""
        name = f"{self.model or self.data}.toml"
        return parse_model((FOLDER / name).read_text(), name)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """The table as our reader takes it: header and rows."""
        with (DATA / f"{self.data}.csv").open() as file:
            records = [dict(row) for row in csv.DictReader(file)]
        if self.number is not None:
            records = [row for row in records if row["SET"] == self.number]
        last: dict[str, float] = {}
        made = list[dict[str, str]]()
        for row in records:
            row.pop("SET", None)
            if "LOGDV" in row:
                logarithm = row.pop("LOGDV")
                row["DV"] = repr(math.exp(float(logarithm))) if logarithm else ""
            patient = row["ID"]
            if self.first_dose is not None and patient not in last:
                made.append(row | {"TIME": "0", "EVID": "1", "AMT": str(self.first_dose), "DV": ""})
            if self.dvid and row["DV"]:
                row["DVID"] = self.dvid[row["DVID"]]
            elif self.dvid:
                row["DVID"] = ""
            last[patient] = float(row["TIME"])
            made.append(row)
        header = sorted({name for row in made for name in row})
        table = [[row.get(name, "") or "." for name in header] for row in made]
        return [self.rename.get(name, name) for name in header], table

    def timelines(self, model: Model) -> dict[str, Timeline]:
        """Of every patient, by id."""
        header, rows = self.rows()
        reading = read_table(header, rows, model, output=None if self.dvid else self.output)
        assert not reading.bad_lines, reading.bad_lines[0]
        kernel, found = compile_model(model), dict[str, Timeline]()
        for patient, events in reading.by_patient().items():
            history, refused = record_of(events, model)
            assert not refused, refused[0]
            timeline = build(history, kernel, begun=to_millis(ORIGIN) if self.from_zero else None)
            assert timeline is not None
            found[patient] = timeline
        return found

    def cohort(self) -> Cohort:
        """Everybody, with everything free that was."""
        model = self.read_model()
        kernel, timelines = compile_model(model), self.timelines(model)
        sizes = step_sizes_for(kernel, next(iter(timelines.values())).delivered)
        return Cohort(kernel, sizes, timelines, Theta.of(model, self.fixed))

    def of_each_number(self) -> Iterator[tuple[PublishedSet, dict[str, Any]]]:
        """Each of several simulated data sets, with what NONMEM's FOCE-I said of it."""
        for reference in self.said["references"]:
            if reference["method"].startswith("First Order Conditional Estimation with Interaction"):
                yield replace(self, number=str(reference["dataset"])), reference

    def truth(self, cohort: Cohort) -> dict[str, float]:
        """What data sets were simulated with, by our names."""
        found = (self._ours(name, value, cohort) for name, value in self.said["simulation_truth"].items())
        return {one[0]: one[1] for one in found if one is not None and one[0] in cohort.theta.names}

    def population(self, cohort: Cohort, published: Mapping[str, float]) -> Population:
        """The population that published estimates say."""
        numbers = {}
        for name, value in published.items():
            if (found := self._ours(name, value, cohort)) is not None:
                numbers[found[0]] = found[1]
        return cohort.theta.population(numbers)

    def certainty(self, cohort: Cohort, reference: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, float]]:
        """Published estimates with their standard errors by our names, on our scales."""
        found = {}
        for name, value in reference["estimates"].items():
            here = self._ours(name, value, cohort)
            if here is not None and (error := reference.get("se", {}).get(name)) is not None:
                sides = [self._ours(name, value + side * NEAR * error, cohort) for side in (1.0, -1.0)]
                up, down = (one[1] for one in sides if one is not None)
                found[here[0]] = here[1], abs(up - down) / (2.0 * NEAR)
        return found

    def _ours(self, name: str, value: float, cohort: Cohort) -> tuple[str, float] | None:
        free = set(cohort.theta.names)
        if self.names.get(name) in free:
            return self.names[name], value
        kind, _, rest = name.partition("_")
        if kind == "omega2":
            return f"omega.{self._name(rest)}", value
        if kind == "omega" and not rest.startswith("2"):
            return f"omega.{self._name(rest)}", value**2
        if kind == "cov":
            parts = self._pair(rest)
            either = [f"omega.{a}.{b}" for a, b in (parts, parts[::-1])]
            return next(one for one in either if one in free), value
        if kind in ("var", "sd") or name in ("a", "b"):
            what, _, output = rest.partition("_") if name not in ("a", "b") else (name, "", "")
            size = {"prop": "proportional", "add": "additive", "log": "additive", "a": "additive", "b": "proportional"}
            of = self.names.get(output, output) if output else self.output
            return f"error.{of}.{size[what]}", math.sqrt(value) if kind == "var" else value
        if kind == "log":
            return self._name(rest), math.exp(value)
        return self._name(name), value

    def _name(self, theirs: str) -> str:
        plain = theirs.removesuffix("_pop")
        return self.names.get(plain, plain)

    def _pair(self, rest: str) -> tuple[str, str]:
        parts = rest.split("_")
        return self._name(parts[0]), self._name(parts[1])


NEAR = 1e-4
"""Standard errors to either side at which it is seen how a number of ours goes with a published one."""

CL_V = {"cl": "CL", "v": "V"}

TWO = {"cl": "CL", "v1": "V1", "v2": "V2", "q": "Q", "v3": "V3"}

PD = CL_V | {"emax": "Emax", "e0": "E0", "c50": "C50", "ec50": "C50", "pk": "plasma", "pd": "activity"}

STUDIES = ("sim_datasim", "sim_schnider", "sim_sparse", "sim_warfarin")
"""Simulated many times over."""

SETS = {
    "theophylline_additive": PublishedSet("theophylline_additive", names=CL_V),
    "phenobarbital_weight": PublishedSet(
        "phenobarbital_weight", names=CL_V | {"cl_per_kg": "CL", "v_per_kg": "V", "apgar_low_on_v": "low"}
    ),
    "warfarin_pk": PublishedSet("warfarin_pk", names=CL_V),
    "warfarin_lag_nonmem": PublishedSet("warfarin_lag_nonmem", names=CL_V | {"tlag": "Tlag"}),
    "warfarin_lag_sex": PublishedSet(
        "warfarin_lag_sex", names={"Cl": "CL", "beta_V_tSex_F": "V_female", "beta_Cl_tSex_F": "CL_female"}
    ),
    "bauer402": PublishedSet("bauer402_two_compartment", names=TWO),
    "bauer504": PublishedSet(
        "bauer504_covariates",
        names=CL_V
        | {"wt_on_cl": "WT_CL", "wt_on_v": "WT_V", "age_on_cl": "AGE_CL", "age_on_v": "AGE_V"}
        | {"sex_on_cl": "SEX_CL", "sex_on_v": "SEX_V"},
    ),
    "drug1001": PublishedSet(
        "drug1001_two_compartment_oral", names=TWO | {"male_on_cl": "male_CL", "wt_on_cl": "WT_CL"}
    ),
    "expo_102": PublishedSet("expo_102", names=TWO | {"v": "V2"}),
    "bauer_blq": PublishedSet("bauer_blq", names=TWO),
    "bauer_mixture": PublishedSet(
        "bauer_mixture",
        names={"v_1": "V1", "k_1": "K1", "v_2": "V2", "k_2": "K2", "p_1": "share.first"}
        | {"cov_1": "omega.V1.K1", "cov_2": "omega.V2.K2"},
    ),
    "bauer_pk_binary": PublishedSet("bauer_pk_binary", names=CL_V, dvid={"1": "plasma", "2": "effect"}),
    "cow_growth": PublishedSet("cow_growth", output="weight", from_zero=True),
    "emax_dose_response": PublishedSet("emax_dose_response", names={"beta_sex": "beta"}, output="response"),
    "toenail_binary": PublishedSet("toenail_binary", names={"beta_treatment": "beta"}, output="infected"),
    "sim_datasim": PublishedSet("sim_datasim_open", model="sim_datasim", names=CL_V, number="1", first_dose=100.0),
    "sim_schnider": PublishedSet(
        "sim_schnider_open", model="sim_schnider", names=TWO | {"q2": "Q2", "q3": "Q3"}, number="1"
    ),
    "sim_sparse": PublishedSet("sim_sparse_open", model="sim_sparse", names=CL_V, number="1"),
    "sim_warfarin": PublishedSet(
        "sim_warfarin_open", model="sim_warfarin", names=PD, number="1", dvid={"1": "plasma", "2": "activity"}
    ),
    "theophylline_weight": PublishedSet("theophylline_weight", names={"beta_wt": "beta"}),
    "warfarin_pkpd": PublishedSet("warfarin_pkpd", names=PD, dvid={"1": "plasma", "2": "activity"}),
}
