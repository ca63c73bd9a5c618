"""What was learnt, kept: a model whose formulas have a network in them, and `WEIGHTS` with how certain it is.

The model is all that a twin needs. `WEIGHTS` holds its network once more and the members of an ensemble that patients
drawn anew taught: what of a typical value is not certain is how they differ there. It is plain JSON, and names the
model by its hash, so that neither is taken for that of another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from streams.batch.cases import CaseError
from streams.batch.tables import Cell, write_table
from twin.arrays import Floats
from twin.covariates.learnt import widened
from twin.covariates.network import Network
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.population.results.uncertainty import NORMAL_95

WEIGHTS, TYPICAL = "weights.json", "typical.csv"

Members = tuple[Network, ...]


def keep(
    found: tuple[Network, Members] | None, values: Floats, patients: Sequence[str], written: Path, *, widen: bool
) -> None:
    """Write what was learnt beside a written model, or take away what an earlier search left there.

    Args:
        found: the network in the model's formulas, and the members.
        values: covariates (N, C) of the patients.
        written: file of the model.
        widen: add what is not certain to the model's variances, on average over the patients.
    """
    out = written.parent
    for name in (WEIGHTS, TYPICAL):
        (out / name).unlink(missing_ok=True)
    if found is None:
        return
    network, members = found
    shifts, errors = uncertainty(network, members, values)
    model = load_model(str(written))
    if widen:
        variances = (errors**2).mean(axis=0).tolist()
        model = widened(model, dict(zip(network.parameters, variances, strict=True)))
        written.write_text(model.text)
    content = {
        "model": {"id": model.id, "hash": model.hash},
        "covariates": list(network.covariates),
        "parameters": list(network.parameters),
        "network": network.as_numbers(),
        "members": [each.as_numbers() for each in members],
    }
    (out / WEIGHTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    table: dict[str, Sequence[Cell]] = {"ID": list(patients)}
    table |= {name: values[:, j].tolist() for j, name in enumerate(network.covariates)}
    for p, name in enumerate(network.parameters):
        table |= {f"shift_{name}": shifts[:, p].tolist(), f"se_{name}": errors[:, p].tolist()}
    write_table(out / TYPICAL, table)


def kept(folder: Path) -> tuple[Model, Network, Members]:
    """What `keep` wrote into a folder.

    Raises:
        CaseError: there is none, a file is no such file, or the two are not of one another.
        ModelError: the model cannot be read.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise CaseError(f"there is no {path}; name the folder of a dosetwin covariates learn that took a network")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names, of, whose = (
            (content["covariates"], content["parameters"]),
            content["model"]["id"],
            content["model"]["hash"],
        )
        members = tuple(Network.from_numbers(*names, each) for each in content["members"])
        network = Network.from_numbers(*names, content["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise CaseError(f"{path} holds no weights as dosetwin covariates learn writes them: {error!r}") from None
    model = load_model(str(folder / f"{of}.toml"))
    if whose != model.hash:
        raise CaseError(
            f"{path} is of a model of hash {whose}, not of {model.id} {model.hash}: one of them was changed; learn"
            " again, or take the model that was written with it"
        )
    return model, network, members


def uncertainty(network: Network, members: Sequence[Network], values: Floats) -> tuple[Floats, Floats]:
    """Shifts (N, P) of patients' covariates (N, C), and their standard errors."""
    spread = np.array([each.shifts(values) for each in members]).std(axis=0, ddof=1)
    return network.shifts(values), np.asarray(spread)


def characteristics_of(text: str, network: Network) -> dict[str, float]:
    """A patient's covariates, ``AGE=0.4,WT=5.2``.

    Raises:
        CaseError: one is no number, or nothing was learnt of it.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in network.covariates:
            raise CaseError(f"--of {part!r}: nothing was learnt of {name}; there are {', '.join(network.covariates)}")
        try:
            found[name] = float(value)
        except ValueError:
            raise CaseError(f"--of {part!r}: {value!r} is no number; write {name}=70") from None
        if not np.isfinite(found[name]):
            raise CaseError(f"--of {part!r}: {value!r} is no number that a patient can have; write {name}=70")
    return found


def typical_lines(model: Model, network: Network, members: Sequence[Network], said: Mapping[str, float]) -> list[str]:
    """The typical values of somebody with these covariates, as people read them; who says nothing is at a reference."""
    reference = {each.name: each.reference for each in model.covariates}
    values = np.array([said.get(name, reference[name]) for name in network.covariates])
    shifts, errors = uncertainty(network, members, values[None])
    spec = {each.name: each for each in model.parameters}
    lines = []
    for p, name in enumerate(network.parameters):
        shift = shifts[0, p] + NORMAL_95 * errors[0, p] * np.array([0.0, -1.0, 1.0])
        of = spec[name]
        at, low, high = of.value + shift if of.distribution == "normal" else of.value * np.exp(shift)
        lines.append(f"{name}: {at:.4g} {of.unit} (95 % {low:.4g} to {high:.4g}), before other effects of the model")
    lines += [f"outside: {words}" for words in network.outside(values)]
    lines += [f"at its reference: {name} {reference[name]:g}" for name in network.used if name not in said]
    return lines
