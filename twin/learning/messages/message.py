"""What a twin says of itself so that its population can be learnt: the belief, and the prior that it was weighed under.

    p(y_i | theta)  ~  p(y_i | theta_0)  sum_k  w_ik  p(phi_ik | theta) / p(phi_ik | theta_0)

holds for every population theta, so particles phi_ik with their weights and the prior theta_0 are all that is needed of
a patient: no dose, no date, no measured value. phi is where a random effect is added to: the logarithm of a log-normal
parameter, the logit of a logit one. Covariate effects are added to it by the model's own formulas, whose coefficients
the message names; and how many standardised residuals a particle has, and the sum of their squares, tell of the size of
the residual error (`twin.observation.scatter`).

Of a mixture (`Model.mixture`) a particle is of a class too, and the same holds of both together, with the shares of the
classes p_k in the prior density, p_k p(phi | theta): weights of one class sum to how probable the class is.

Where sites differ (`Model.sites`) phi is that of a patient with its site, and Omega of both together: what a message is
of is looked at alone.

Particles of one patient are personal data: they stay where the patient is, and others get sums (`twin.learning.sums`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.arrays import Floats
from twin.filter.belief import normalised
from twin.learning.messages.coefficients import coefficients_of
from twin.learning.messages.structure import Centres, Sizes, centres_of, sizes_of, structure_of
from twin.model.spec import Model
from twin.patient.accounts.initial_effects import InitialEffects, Residuals
from twin.randomness import generator

FORMAT = 3

OURS = "message_"
"""What the names of a message's arrays begin with."""


NO_SIZES = Sizes((), np.zeros(0))


class Shares(NamedTuple):
    """Names of K classes that nobody sees, and their shares (K,); none of a model without such."""

    names: tuple[str, ...]
    at: Floats


NO_CLASSES = Shares((), np.zeros(0))


class BadMessage(ValueError):
    """A message that cannot be used: which field, and what is wrong with it."""


class NoMessage(ValueError):
    """A belief that says nothing of the population; the message says why."""


@dataclass(frozen=True, eq=False)
class Message:
    """One patient's latest word.

    Attributes:
        patient_id: pseudonym; the latest message of a patient replaces the one before, which it contains.
        model, model_hash: the version that the particles were weighed under.
        structure: of the model but for what is learnt; messages of one structure can be used together.
        centres: names of the parameters (d,) and where phi of the typical patient is.
        omega: (d, d) covariance of that version.
        widening: (d,) variance added for characteristics that nobody reported.
        eta: (N, d), distance of phi from the centres.
        log_weight: (N,) normalised.
        covariates: by name, as they stood last; ``lowest`` and ``highest`` as they were at least and at most.
        log_evidence: log p(y_i | theta_0).
        observations: values that were assimilated.
        coefficients: of covariates, by name, as that version has them.
        sizes: of residual errors, names (o,) and as that version has them.
        residuals: what the values say of these, (N, o).
        shares: of the classes of a mixture, as that version has them; ``of_class`` (N,) is the number of each
            particle's. The class itself is no covariate of the message.
    """

    patient_id: str
    model: str
    model_hash: str
    structure: str
    centres: Centres
    omega: Floats
    widening: Floats
    eta: Floats
    log_weight: Floats
    covariates: Mapping[str, float]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    log_evidence: float
    observations: int
    coefficients: Mapping[str, float]
    sizes: Sizes
    residuals: Residuals
    shares: Shares
    of_class: NDArray[np.int64]


def shares_of(model: Model) -> Shares:
    """Of the classes of a model."""
    mixture = model.mixture
    return NO_CLASSES if mixture is None else Shares(mixture.classes, np.array(mixture.shares))


def message_of(patient_id: str, model: Model, *believed: InitialEffects | None) -> Message:
    """What a twin by ``model`` says, which believes this of its patient: of a mixture as one of each class, in order.

    Raises:
        NoMessage: nothing was measured yet, nothing varies in the model, or effects drifted and the particles have left
            the past behind.
    """
    if not model.eta_names:
        raise NoMessage(f"{model.id}: no parameter has iiv, so there is no population to learn")
    each = [one for one in believed if one is not None and one.observations]
    shares = shares_of(model)
    if len(each) < max(len(shares.names), 1):
        drifts = f", or effects have drifted beyond the lag of {model.id}" if model.drift is not None else ""
        raise NoMessage(f"patient {patient_id}: no value was measured yet{drifts}")
    of_class, log_weight, log_evidence = _together(each, shares)
    first = each[0]
    return Message(
        patient_id,
        model.id,
        model.hash,
        structure_of(model),
        centres_of(model),
        np.array(model.omega),
        np.array(first.widening),
        np.concatenate([one.eta for one in each]),
        log_weight,
        _named(model, first.covariates),
        _named(model, first.lowest),
        _named(model, first.highest),
        log_evidence,
        first.observations,
        dict(zip((known := coefficients_of(model)).names, known.at, strict=True)),
        sizes_of(model),
        Residuals(
            np.concatenate([one.residuals.count for one in each]),
            np.concatenate([one.residuals.squares for one in each]),
            np.all([one.residuals.exact for one in each], axis=0),
        ),
        shares,
        of_class,
    )


def _together(each: Sequence[InitialEffects], shares: Shares) -> tuple[NDArray[np.int64], Floats, float]:
    """Class of each particle, normalised log weights, and the log evidence of the whole."""
    of_class = np.repeat(np.arange(len(each)), [len(one.eta) for one in each])
    weights = [normalised(one.log_weight)[0] for one in each]
    if not shares.names:
        return of_class, weights[0], each[0].log_evidence
    terms = np.array([one.log_evidence for one in each]) + np.log(shares.at)
    total = float(special.logsumexp(terms))
    return of_class, np.concatenate([w + t - total for w, t in zip(weights, terms, strict=True)]), total


def _named(model: Model, covariates: Floats) -> dict[str, float]:
    hidden = None if model.mixture is None else model.mixture.covariate
    pairs = zip(model.covariates, covariates, strict=False)
    return {c.name: float(value) for c, value in pairs if c.name != hidden}


def thinned(message: Message, particles: int) -> Message:
    """The same belief with at most so many particles, drawn evenly by weight; itself where it has no more.

    Chance is keyed by the patient and what was measured, so that the same message gives the same one.
    """
    if len(message.eta) <= particles:
        return message
    rng = generator(message.patient_id, "a message of fewer particles", message.observations)
    # Of each class as many, with the weight that it has: who is hardly of one under this version may be under another.
    classes = [np.flatnonzero(message.of_class == at) for at in range(max(len(message.shares.names), 1))]
    most = max(1, particles // len(classes))
    index, log_weight = [], []
    for own in classes:
        weights, whole = normalised(message.log_weight[own])
        places = (np.arange(most) + rng.random()) / most
        drawn = np.minimum(np.searchsorted(np.cumsum(np.exp(weights)), places), len(own) - 1)
        kept, times = np.unique(drawn, return_counts=True)
        index.append(own[kept])
        log_weight.append(np.log(times / most) + whole)
    at, said = np.concatenate(index), message.residuals
    return replace(
        message, eta=message.eta[at], log_weight=np.concatenate(log_weight), of_class=message.of_class[at],
        residuals=Residuals(said.count[at], said.squares[at], said.exact),
    )  # fmt: skip


def arrays_of(message: Message) -> dict[str, Any]:
    """A message as named arrays, each name begun with `OURS`."""
    covariates = message.covariates
    found = {
        "format": np.array(FORMAT),
        "said": np.array([message.patient_id, message.model, message.model_hash, message.structure]),
        "names": np.array(message.centres.names),
        "centres": message.centres.at,
        "omega": message.omega,
        "widening": message.widening,
        "eta": message.eta.astype(np.float32),
        "log_weight": message.log_weight.astype(np.float32),
        "covariate_names": np.array(list(covariates), dtype=np.str_),
        "covariates": np.array(list(covariates.values()), dtype=np.float64),
        "lowest": np.array([message.lowest[name] for name in covariates], dtype=np.float64),
        "highest": np.array([message.highest[name] for name in covariates], dtype=np.float64),
        "log_evidence": np.array(message.log_evidence),
        "observations": np.array(message.observations),
        "coefficient_names": np.array(list(message.coefficients), dtype=np.str_),
        "coefficients": np.array(list(message.coefficients.values()), dtype=np.float64),
        "size_names": np.array(message.sizes.names, dtype=np.str_),
        "sizes": message.sizes.at,
        "count": _once(message.residuals.count.astype(np.float32)),
        "squares": message.residuals.squares.astype(np.float32),
        "exact": message.residuals.exact.astype(np.uint8),
        "class_names": np.array(message.shares.names, dtype=np.str_),
        "shares": message.shares.at,
        "of_class": _once(message.of_class.astype(np.uint8)),
    }
    return {f"{OURS}{name}": np.asarray(value) for name, value in found.items()}


def _once(rows: Any) -> Any:
    """Rows that are all the same as one: of normal values every particle has as many residuals."""
    return rows[:1] if (rows == rows[:1]).all() else rows


def from_arrays(arrays: Mapping[str, Any]) -> Message:
    """Inverse of `arrays_of`; other arrays may stand beside the message's.

    Raises:
        BadMessage: they are none.
    """
    found = {name.removeprefix(OURS): value for name, value in arrays.items() if name.startswith(OURS)}
    if not found:
        raise BadMessage("holds no message of a twin: of rival models and drifts beyond their lag there is none")
    if found.get("format") != FORMAT:
        raise BadMessage(f"format: is {found.get('format')}, not {FORMAT}; replay the patient with this version")
    missing = sorted({*_WIDTHS, "said", *_NAMES} - {*found})
    if missing:
        raise BadMessage(f"{missing[0]}: is missing; replay the patient again")
    return _checked(found)


_WIDTHS = {
    "centres": "d",
    "omega": "dd",
    "widening": "d",
    "eta": "Nd",
    "log_weight": "N",
    "covariates": "c",
    "lowest": "c",
    "highest": "c",
    "log_evidence": "",
    "observations": "",
    "coefficients": "q",
    "sizes": "o",
    "count": "No",
    "squares": "No",
    "exact": "o",
    "shares": "k",
    "of_class": "N",
}

_NAMES = {"names": "d", "covariate_names": "c", "coefficient_names": "q", "size_names": "o", "class_names": "k"}


def _checked(found: Mapping[str, Any]) -> Message:
    sizes = {axis: len(found[name]) for name, axis in _NAMES.items()} | {"N": len(found["log_weight"])}
    for name in ("count", "of_class"):
        if len(found[name].shape) and len(found[name]) == 1:
            found = {**found, name: np.repeat(found[name], sizes["N"], axis=0)}
    for name, axes in _WIDTHS.items():
        expected = tuple(sizes[axis] for axis in axes)
        if found[name].shape != expected or found[name].dtype.kind not in "fiu":
            raise BadMessage(f"{name}: has the shape {found[name].shape}, not numbers of {expected}")
        # A particle of weight 0 has the logarithm -inf; nothing else may be infinite.
        if np.isnan(found[name]).any() or (name != "log_weight" and not np.isfinite(found[name]).all()):
            raise BadMessage(f"{name}: holds what is no number")
    if len(found["said"]) != 4 or not sizes["d"] or not sizes["N"]:
        raise BadMessage("said: must be patient, model, hash and structure, with particles of at least one parameter")
    omega, widening = found["omega"].astype(np.float64), found["widening"].astype(np.float64)
    if (widening < 0).any():
        raise BadMessage(f"widening: {widening.min():g} is below 0, and a variance is not")
    if not np.array_equal(omega, omega.T) or np.linalg.eigvalsh(omega).min() <= 0:
        raise BadMessage("omega: is no covariance; replay the patient again")
    if (found["sizes"] <= 0).any():
        raise BadMessage(f"sizes: {found['sizes'].min():g} is not above 0, and a standard deviation is")
    if (found["shares"] <= 0).any() or found["of_class"].max() >= max(sizes["k"], 1):
        raise BadMessage("of_class: names a class that is none, or one without a share; replay the patient again")
    patient_id, model, model_hash, structure = (str(word) for word in found["said"])
    names, covariates, coefficients, outputs, classes = (tuple(str(each) for each in found[name]) for name in _NAMES)

    def named(key: str, by: tuple[str, ...]) -> dict[str, float]:
        return dict(zip(by, found[key].tolist(), strict=True))

    return Message(
        patient_id,
        model,
        model_hash,
        structure,
        Centres(names, found["centres"].astype(np.float64)),
        omega,
        widening,
        found["eta"].astype(np.float64),
        normalised(found["log_weight"].astype(np.float64))[0],
        named("covariates", covariates),
        named("lowest", covariates),
        named("highest", covariates),
        float(found["log_evidence"]),
        int(found["observations"]),
        named("coefficients", coefficients),
        Sizes(outputs, found["sizes"].astype(np.float64)),
        Residuals(
            found["count"].astype(np.float64), found["squares"].astype(np.float64), found["exact"].astype(np.bool_)
        ),
        Shares(classes, found["shares"].astype(np.float64)),
        found["of_class"].astype(np.int64),
    )
