"""Rival models of one drug, and their average.

    p(z | data) = sum_m w_m p(z | data, m),        w_m = q_m p(data | m) / sum_n q_n p(data | n)

(Bayesian model averaging, Hoeting et al. 1999) with equal prior odds q_m. A quantity is known by its name and unit; the
models that have it are averaged, with weights that sum to one over them. As every p is a cloud of weighted particles,
the average is one larger cloud, and all its quantiles and probabilities are exact.

The classes of a mixture (`Model.mixture`) are rivals too: the model as it is of who is of each class, with the shares
of patients as prior odds, so that a weight is how probable it is that the patient is of that class.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.events import Band, Exposure, ForecastBand, ToxicityAhead
from twin.filter.quantiles import Part, pooled, quantiles
from twin.model.spec import Model, ModelError, TargetSpec, ToxicitySpec
from twin.patient.accounts.view import Exposed, View
from twin.patient.ahead.toxicities import Ahead, Now, Since, reading
from twin.patient.bands import band, exposure_reading, share_of
from twin.solver.exposure_end import Window

MOST = 8
"""Rival models that one twin may have: each costs as much as a twin of its own."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Rivals:
    """Models to be averaged; make it with `rivals`, or with `classes_of` a ``mixture``."""

    models: tuple[Model, ...]
    mixture: Model | None = None

    @property
    def id(self) -> str:
        """The models' ids, joined by commas; of the classes of a mixture that of its model."""
        return ",".join(self.ids) if self.mixture is None else self.mixture.id

    @property
    def ids(self) -> tuple[str, ...]:
        """Each model's id, in their order; of a mixture the names of its classes."""
        return self.classes or tuple(model.id for model in self.models)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a mixture; none of other rivals."""
        return () if self.mixture is None or self.mixture.mixture is None else self.mixture.mixture.classes

    @property
    def log_prior(self) -> tuple[float, ...]:
        """Log prior odds of each model, against those of one among as many that are all alike."""
        if self.mixture is None or self.mixture.mixture is None:
            return (0.0,) * len(self.models)
        return tuple(math.log(len(self.models) * share) for share in self.mixture.mixture.shares)

    @property
    def hash(self) -> str:
        """Of the models' hashes in their order; of a mixture that of its model."""
        if self.mixture is not None:
            return self.mixture.hash
        return hashlib.blake2b("\x1f".join(m.hash for m in self.models).encode(), digest_size=16).hexdigest()


def rivals(models: Sequence[Model]) -> Rivals:
    """Models that may be averaged, in the order given.

    Raises:
        ModelError: fewer than two or too many, one twice, of different drugs, a mixture, or with nothing in common to
            be measured.
    """
    names = ",".join(model.id for model in models)
    if not 2 <= len(models) <= MOST:
        raise ModelError(names, "", f"averages are of 2 to {MOST} models, not {len(models)}")
    twice = sorted({m.id for m in models if sum(other.id == m.id for other in models) > 1})
    if twice:
        raise ModelError(names, "", f"{', '.join(twice)} is named twice; name each rival once")
    mixtures = ", ".join(model.id for model in models if model.mixture is not None)
    if mixtures:
        raise ModelError(names, "mixture", f"{mixtures} has classes of its own, and is followed alone; name it alone")
    first = models[0]
    for other in models[1:]:
        if other.drug != first.drug:
            raise ModelError(
                names,
                "",
                f"{first.id} is of {first.drug} and {other.id} of {other.drug}; name rival models of one drug",
            )
    measured = [{(output.name, output.unit) for output in model.outputs} for model in models]
    if not set.intersection(*measured):
        each = "; ".join(f"{m.id} has {', '.join(o.name for o in m.outputs)}" for m in models)
        raise ModelError(names, "", f"no output of the same name and unit in all of them, so nothing decides: {each}")
    return Rivals(tuple(models))


def classes_of(model: Model) -> Rivals:
    """A mixture as one model for each of its classes, in which the class is the patient's and nobody reports it.

    Raises:
        ModelError: it is no mixture, or of too many classes.
    """
    mixture = model.mixture
    if mixture is None:
        raise ModelError(model.id, "mixture", "is missing, so that there are no classes")
    if len(mixture.classes) > MOST:
        problem = f"is of {len(mixture.classes)} classes; a twin follows at most {MOST}, each as a twin of its own"
        raise ModelError(model.id, "mixture", problem)
    return Rivals(tuple(_of_class(model, mixture.covariate, value) for value in mixture.values), model)


def _of_class(model: Model, covariate: str, value: float) -> Model:
    known = [replace(one, reference=value, unseen=True) if one.name == covariate else one for one in model.covariates]
    meant = hashlib.blake2b(f"{model.hash} {covariate} {value!r}".encode(), digest_size=8).hexdigest()
    return replace(model, covariates=tuple(known), mixture=None, expected=(), hash=meant)


def shares(log_evidence: Sequence[float]) -> Floats:
    """Weights of models from their log evidence with log prior odds."""
    found = np.exp(np.array(log_evidence) - max(log_evidence))
    return np.asarray(found / found.sum())


@dataclass(frozen=True)
class WeightedMember:
    """One model's part in the average at one instant."""

    model: Model
    share: float
    view: View


def _grouped(found: Iterable[tuple[Key, Part]]) -> dict[Key, list[Part]]:
    groups: dict[Key, list[Part]] = {}
    for key, part in found:
        groups.setdefault(key, []).append(part)
    return groups


def output_bands(members: Sequence[WeightedMember]) -> tuple[Band, ...]:
    """Bands of every output now."""
    groups = _by_output(members, lambda view, i: view.out[i])
    return tuple(band(name, unit, *pooled(parts)) for (name, unit), parts in groups.items())


def forecast_bands(members: Sequence[WeightedMember]) -> tuple[ForecastBand, ...]:
    """Bands of every output along the forecast; all views have the same times."""
    bands = []
    for (name, unit), parts in _by_output(members, lambda view, i: view.along[:, i]).items():
        q05, q25, median, q75, q95 = (tuple(column) for column in quantiles(*pooled(parts)).T.tolist())
        bands.append(ForecastBand(name=name, unit=unit, q05=q05, q25=q25, median=median, q75=q75, q95=q95))
    return tuple(bands)


def _by_output(
    members: Sequence[WeightedMember], values: Callable[[View, int], Floats]
) -> dict[tuple[str, str], list[Part]]:
    return _grouped(
        ((output.name, output.unit), (member.share, values(member.view, i), member.view.weight))
        for member in members
        for i, output in enumerate(member.model.outputs)
    )


def exposures(members: Sequence[WeightedMember]) -> tuple[tuple[Window, Exposure], ...]:
    """Exposure of each target whose course has begun. Where models differ on a target, the first one's window stands,
    and only models that have the same are averaged."""
    begun = [(member, exposed) for member in members for exposed in member.view.exposures]
    firsts: dict[str, Exposed] = {}
    for _, exposed in begun:
        firsts.setdefault(exposed.window.target.name, exposed)
    found = []
    for first in firsts.values():
        alike = [(v, e) for v, e in begun if _limits(e.window.target) == _limits(first.window.target)]
        so_far, weight = pooled((member.share, exposed.so_far, member.view.weight) for member, exposed in alike)
        ends = [(member.share, e.at_end, member.view.weight) for member, e in alike if e.at_end is not None]
        at_end = pooled(ends)[0] if len(ends) == len(alike) else None
        known = all(exposed.window.known for _, exposed in alike)
        found.append((first.window, exposure_reading(first.window.target, so_far, at_end, weight, known=known)))
    return tuple(found)


def _limits(target: TargetSpec) -> tuple[object, ...]:
    return target.name, target.drug, target.measure, target.unit, target.low, target.high


def toxicities(members: Sequence[WeightedMember], millis: int, since: Since) -> tuple[ToxicityAhead, ...]:
    """Each toxicity that is foreseen. Where models differ on one, the first one's stands, and only models that have the
    same are averaged."""
    found = []
    for alike in _toxic(members).values():
        parts = [(m, ahead) for m, toxicity in alike if (ahead := _ahead(m, toxicity)) is not None]
        if parts:
            found.append(reading(*_pooled(parts), millis, since))
    return tuple(found)


def _pooled(parts: Sequence[tuple[WeightedMember, Ahead]]) -> tuple[Ahead, Floats]:
    """One toxicity ahead over several models' particles, and their weights."""

    def together(values: Callable[[Ahead], Floats]) -> tuple[Floats, Floats]:
        return pooled((member.share, values(one), member.view.weight) for member, one in parts)

    (worst, weight), (day, _) = together(lambda one: one.worst), together(lambda one: one.day)
    suffered, _ = together(lambda one: one.suffered)
    return replace(parts[0][1], worst=worst, day=day, suffered=suffered), weight


def toxic_now(members: Sequence[WeightedMember]) -> dict[str, Now]:
    """The output of each toxicity as it is now, of the models that have the same."""
    found = {}
    for name, alike in _toxic(members).items():
        values, weight = pooled((m.share, m.view.out[_number(m.model, one)], m.view.weight) for m, one in alike)
        found[name] = Now(share_of(alike[0][1].suffered(values), weight), float(quantiles(values, weight)[2]))
    return found


def _toxic(members: Sequence[WeightedMember]) -> dict[str, list[tuple[WeightedMember, ToxicitySpec]]]:
    """Toxicities by name, each with the models that have the same as the first that names it."""
    found: dict[str, list[tuple[WeightedMember, ToxicitySpec]]] = {}
    for member in members:
        for one in member.model.toxicities:
            alike = found.setdefault(one.name, [])
            if not alike or _limit(alike[0][0].model, alike[0][1]) == _limit(member.model, one):
                alike.append((member, one))
    return found


def _ahead(member: WeightedMember, toxicity: ToxicitySpec) -> Ahead | None:
    return next((one for one in member.view.toxicities if one.toxicity == toxicity), None)


def _number(model: Model, toxicity: ToxicitySpec) -> int:
    return [output.name for output in model.outputs].index(toxicity.output)


def _limit(model: Model, toxicity: ToxicitySpec) -> tuple[object, ...]:
    unit = UNIT_MS[model.time_unit]
    spans = toxicity.horizon * unit, toxicity.lasting * unit
    return toxicity.name, toxicity.output, toxicity.unit, toxicity.side, toxicity.limit, *spans
