"""What a model file says, as immutable values.

Units are UCUM codes and hold as written; formulas are trees of `twin.model.formula`. Amounts that enter through
``input(drug)`` are mg per model time unit. These values are made only by `twin.modelfile.reader.parse_model`, which
checks names, sources, dimensions and Omega, so that whoever holds a `Model` may rely on all of that.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from twin.model.evidence import (
    NOT_STATED,
    CitationSpec,
    ConfirmationSpec,
    CorrelationSpec,
    ExpectedSpec,
    StatedSpec,
    VariabilitySpec,
)
from twin.model.measured.ctcae import Side, Version
from twin.model.measured.error import ErrorSpec
from twin.model.measured.vital import VitalSpec
from twin.names import shown

TimeUnit = Literal["min", "h", "d"]
Distribution = Literal["log-normal", "normal", "logit", "box-cox"]
Route = Literal["iv", "oral", "sc", "im", "ip"]


class ModelError(ValueError):
    """A model that cannot be used: which ``file``, which ``key`` in it, and the ``problem`` with how to mend it."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        # Whoever wrote the file chose these texts, and the message goes to a terminal.
        self.file = shown(file)
        self.key = shown(key)
        self.problem = shown(problem)
        super().__init__(": ".join(part for part in (self.file, self.key, self.problem) if part))


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter: individual value = ``expression`` at what ``value`` and eta make by the ``distribution``.

    ============  =========================================  =======================================================
    log-normal    value exp(eta)
    normal        value + eta
    logit         1 / (1 + exp(-(log(v / (1 - v)) + eta)))   v = value: a fraction stays between 0 and 1
    box-cox       value exp((exp(eta)^shape - 1) / shape)    skewed (Petersson et al. 2009, Pharm Res 26:2174)
    ============  =========================================  =======================================================

    Attributes:
        iiv: variance of eta; ``None`` for a parameter that is the same in everybody.
        iov: variance of kappa, which is added to eta and is another one on each occasion; ``None`` for none.
        isv: variance of what is added to eta of all patients of a site alike; ``None`` for none.
        drift: variance that a random walk added to eta gains per model time unit; ``None`` for none.
        expression: covariate effects, e.g. ``CL * (BSA / 1.73)``; every parameter name in it means that parameter's
            individual value before its own covariate effects.
        shape: of the Box-Cox transformation; near 0 it is log-normal, above 0 has a long right tail.
        source: where the number was published; ``assumed``: why it was chosen where nothing is published.
        stated: how the source prints iiv and iov.
    """

    name: str
    value: float
    unit: str
    iiv: float | None
    iov: float | None
    isv: float | None
    drift: float | None
    expression: ast.expr | None
    source: str | None
    assumed: str | None
    note: str | None
    distribution: Distribution = "log-normal"
    shape: float | None = None
    stated: StatedSpec = NOT_STATED


@dataclass(frozen=True, slots=True)
class CovariateSpec:
    """A patient characteristic; ``reference`` stands in while none was reported, ``low`` to ``high`` is plausible.

    Attributes:
        carry: a value holds from its report on (``forward``; the first one also before), or until its report, from the
            one before on (``backward``; the last one also after).
        levels: names of a categorical one's values.
        widens: variance added to the eta of a parameter while none was reported, by its name.
        molar_mass: g/mol, where it may be reported as a mass or as a substance concentration.
        studied: least and greatest value among the patients that its effects were learnt from, where that is said.
        unseen: a class that nobody reports (`twin.patient.rivals.classes_of`); ``reference`` is the patient's.
    """

    name: str
    unit: str
    reference: float
    low: float | None
    high: float | None
    source: str | None
    assumed: str | None
    note: str | None
    carry: Literal["forward", "backward"] = "forward"
    levels: tuple[tuple[str, float], ...] = ()
    widens: tuple[tuple[str, float], ...] = ()
    molar_mass: float | None = None
    studied: tuple[float, float] | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class DerivedSpec:
    """A value computed once per individual from parameters, covariates and derived values above it.

    Among a model's ``terms``: a part of the equations that reads states and time too (`twin.model.terms`).
    """

    name: str
    unit: str
    expression: ast.expr


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A state with d(state)/dt = ``derivative`` and its value at the start of the record."""

    name: str
    unit: str
    initial: ast.expr
    derivative: ast.expr


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Something that can be measured. ``aliases`` are other names of the analyte; ``molar_mass`` is in g/mol.

    ``expression`` is what is shown of it: the prediction, a mean, a probability. ``kind`` is the name of one of
    `twin.observation.kinds`, and ``further`` what its likelihood reads instead of the expression, or nothing. Readings
    of ``vital`` observe it too.
    """

    name: str
    unit: str
    expression: ast.expr
    error: ErrorSpec
    aliases: tuple[str, ...]
    molar_mass: float | None
    kind: str
    further: tuple[ast.expr, ...] = ()
    vital: VitalSpec | None = None


TargetMeasure = Literal["course", "day", "trough", "time_above"]

TARGET_MEASURES: tuple[TargetMeasure, ...] = get_args(TargetMeasure)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A window for the exposure to one drug, in ``unit``; one of its limits may be missing.

    Attributes:
        measure: what is held against it (`twin.modelfile.outputs`).
        state: what gathers it, emptied at the beginning of each course or day; ``None`` of a trough.
        expression: what is shown of it.
        course_gap: time without delivery of ``drug`` after which a delivery starts a new course; model time units.
        settled: time into a course from which a trough is to be in the window; model time units.
    """

    name: str
    drug: str
    measure: TargetMeasure
    state: str | None
    expression: ast.expr
    unit: str
    low: float | None
    high: float | None
    course_gap: float
    settled: float
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class ToxicitySpec:
    """A toxicity: ``output`` below or above ``limit`` within ``horizon`` (model time units) ahead.

    Attributes:
        lasting: for how long at least it has to be so (model time units); 0: at all.
        criterion, grade: which of the CTCAE it is in version ``ctcae``, if it is one (`twin.model.measured.ctcae`).
    """

    name: str
    output: str
    side: Side
    limit: float
    unit: str
    horizon: float
    lasting: float
    criterion: str | None
    grade: int | None
    ctcae: Version | None
    source: str | None
    assumed: str | None

    def suffered(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of some values of the output are beyond the limit."""
        return values < self.limit if self.side == "below" else values > self.limit


@dataclass(frozen=True, slots=True)
class RegimenSpec:
    """A usual way to give a drug, for simulated patients and the model card; times in model time units.

    Each of ``cycles`` repeats after ``interval``; the dose begins ``start`` into it and lasts ``duration`` (0: at
    once). An ``amount_unit`` of ``mg/m2`` is multiplied by the covariate BSA. With ``state`` it enters that one alone.
    """

    drug: str
    amount: float
    amount_unit: Literal["mg", "mg/m2"]
    start: float
    duration: float
    interval: float
    cycles: int
    route: Route
    source: str | None
    assumed: str | None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class CadenceSpec:
    """How often the twin speaks and how far it looks ahead, in model time units."""

    estimate: float
    forecast: float
    horizon: float


@dataclass(frozen=True, slots=True)
class NumericsSpec:
    """Steps of the integrator in model time units (`twin.solver.step_schedule`): ``first_step`` after a discontinuity,
    then ``growth`` times the time since it, up to ``largest_step``. What is ``None`` is chosen from the regimens
    (`twin.solver.step_control`)."""

    first_step: float | None
    growth: float | None
    largest_step: float | None


@dataclass(frozen=True, slots=True)
class OccasionSpec:
    """When an occasion begins; times in model time units, and one of three ways is given.

    Attributes:
        drug, gap: a delivery of ``drug`` after at least ``gap`` without one begins an occasion.
        drug, every: a new one begins every ``every`` from the first delivery of ``drug``.
        covariate: each change of its value begins one.
    """

    drug: str | None
    gap: float | None
    every: float | None
    covariate: str | None
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """Patients for whom ``covariate`` has one value are of one site; who has its reference's is alone."""

    covariate: str
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class DriftSpec:
    """Parameters drift at the points of a ``grid`` in event time; what is older than ``lag`` is no longer revised.

    Both in model time units; the grid lies at whole multiples since the Unix epoch.
    """

    grid: float
    lag: float
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class MixtureSpec:
    """Patients are of one of several classes, and nobody sees of which.

    Attributes:
        covariate: what formulas call the class; its levels are the classes, in their order.
        classes: names; ``values`` what the covariate is in each; ``shares`` of patients who are of it, which sum to 1.
    """

    covariate: str
    classes: tuple[str, ...]
    values: tuple[float, ...]
    shares: tuple[float, ...]
    source: str | None
    assumed: str | None

    def named(self, value: float) -> str:
        """The class in which the covariate has this value."""
        return self.classes[self.values.index(value)]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A drug that may enter. What is recorded in mg is multiplied by ``scale`` before it does.

    ``bioavailability_changes`` says what of an infusion of a stated rate becomes less where a part of it is not
    available: its duration, or the rate at which it enters (`twin.model.coefficients`). ``whole_into`` are states
    that are meant to get the whole dose each, and ``enters_nothing`` says that doses are meant to do nothing.
    """

    drug: str
    scale: float
    source: str | None
    assumed: str | None
    bioavailability_changes: Literal["duration", "rate"] = "duration"
    whole_into: tuple[str, ...] = ()
    enters_nothing: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A published model, checked. Two models are the same when their ``hash`` is.

    Attributes:
        drug: the drug under study; ``drugs`` are all that may enter, this one first.
        occasions, drift: when effects of an occasion are drawn anew, and on what grid effects drift; or ``None``.
        sites: who is of one site; ``None`` of a model without effects of sites.
        mixture: classes of patients that nobody sees; ``None`` where there are none.
        eta_names: parameters with ``iiv``, in file order.
        omega: (d, d) covariance of eta in that order, read-only, positive definite, of a patient looked at alone: where
            sites differ their effect is a part of it, omega = omega_iiv + omega_isv.
        omega_iiv: (d, d) the same among patients of one site.
        iov_names: parameters with ``iov``, in file order.
        omega_iov: (o, o) covariance of kappa in that order, read-only, positive definite.
        isv_names: parameters with ``isv``, in file order; they have ``iiv`` too.
        omega_isv: (q, q) covariance of a site's effects in that order, read-only, positive definite.
        confirmed_by: independent sources; ``unconfirmed`` says where one was looked for in vain.
        variability: in which form the source prints iiv and iov, where the file says so for all parameters.
        correlations: as the file gives them; their numbers are in ``omega`` and ``omega_iov``.
        fixed: numbers that a fit leaves as they are, by the names that it calls them.
        expected: what the typical patient must show.
        input_scale: factor from recorded mg to model mg for drugs where it is not 1.
        hash: 16 hex digits over what the file makes the model compute (not titles, notes, sources, comments or layout).
        text: the file itself.
    """

    id: str
    title: str
    drug: str
    drugs: tuple[str, ...]
    time_unit: TimeUnit
    sources: tuple[CitationSpec, ...]
    confirmed_by: tuple[ConfirmationSpec, ...]
    unconfirmed: str | None
    note: str | None
    parameters: tuple[ParameterSpec, ...]
    covariates: tuple[CovariateSpec, ...]
    derived: tuple[DerivedSpec, ...]
    terms: tuple[DerivedSpec, ...]
    states: tuple[StateSpec, ...]
    outputs: tuple[OutputSpec, ...]
    targets: tuple[TargetSpec, ...]
    toxicities: tuple[ToxicitySpec, ...]
    regimens: tuple[RegimenSpec, ...]
    inputs: tuple[InputSpec, ...]
    cadence: CadenceSpec
    numerics: NumericsSpec
    occasions: OccasionSpec | None
    sites: SiteSpec | None
    drift: DriftSpec | None
    mixture: MixtureSpec | None
    variability: VariabilitySpec | None
    correlations: tuple[CorrelationSpec, ...]
    fixed: tuple[str, ...]
    expected: tuple[ExpectedSpec, ...]
    eta_names: tuple[str, ...]
    omega: NDArray[np.float64]
    omega_iiv: NDArray[np.float64]
    iov_names: tuple[str, ...]
    omega_iov: NDArray[np.float64]
    isv_names: tuple[str, ...]
    omega_isv: NDArray[np.float64]
    input_scale: dict[str, float]
    hash: str
    text: str

    @property
    def reported(self) -> tuple[CovariateSpec, ...]:
        """Characteristics that may be reported: all but the class that nobody sees."""
        hidden = None if self.mixture is None else self.mixture.covariate
        return tuple(one for one in self.covariates if one.name != hidden and not one.unseen)

    @property
    def effect_names(self) -> tuple[str, ...]:
        """Parameters with any random effect, columns of the kernel's effects: of eta, then those with iov only."""
        return (*self.eta_names, *(name for name in self.iov_names if name not in self.eta_names))

    @property
    def widening_names(self) -> tuple[str, ...]:
        """What widens a prior where it was not reported, with the parameter whose it is: ``WT.CL``."""
        return tuple(f"{c.name}.{name}" for c in self.covariates for name, _ in c.widens)

    @property
    def site_columns(self) -> tuple[int, ...]:
        """Of each parameter with isv its place among ``eta_names``."""
        return tuple(self.eta_names.index(name) for name in self.isv_names)

    @property
    def individual_names(self) -> tuple[str, ...]:
        """What is computed once for each individual: parameters, then derived values."""
        return (*(p.name for p in self.parameters), *(d.name for d in self.derived))

    def __repr__(self) -> str:
        measured = ", ".join(f"{output.name} ({output.unit})" for output in self.outputs)
        return f"<Model {self.id}: {', '.join(self.drugs)}; {measured}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


def output_index(model: Model, analyte: str) -> int | None:
    """Which model output a measured analyte is, by its name or one of its aliases; ``None`` when the model has none."""
    for i, output in enumerate(model.outputs):
        if analyte == output.name or analyte in output.aliases:
            return i
    return None
