"""Models with other relations, each fitted in a process of its own and written down when it is: a search that was
interrupted goes on with the next candidate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streams.batch.cases import Case, RecordedEvent
from streams.batch.population.patients import Data, cohort_of, timelines_of
from streams.batch.process_pool import in_processes, model_of, worker_processes
from twin.covariates.characteristics import Characteristic
from twin.covariates.effects import with_relations
from twin.covariates.relations import begun_at, coefficients
from twin.covariates.stepwise import Fitted, Relations
from twin.model.spec import Model
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method
from twin.population.search import Bounds, State, bounds, search
from twin.population.theta import FitError, Theta

Numbers = tuple[tuple[str, float], ...]

Records = tuple[tuple[str, tuple[RecordedEvent, ...]], ...]

BoundsByName = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Made:
    """What a fit of a candidate came to: objective, numbers by name, and whether it converged."""

    objective: float
    numbers: Numbers
    converged: bool


@dataclass(frozen=True, eq=False)
class Candidates:
    """Fits candidates of one search: called with the relations of several models, and where they begin.

    Attributes:
        model: without any relation of the search.
        cases: of patients who all have a value of an output.
        fixed: numbers that stay as they are.
        jobs: processes; ``None``: one a core.
        kept_at: file of the fits that are done, a line each.
        data: which data they are of.
        told: is told how many fits of this call are done, and of how many.
    """

    model: Model
    described: Mapping[str, Characteristic]
    cases: Sequence[Case]
    method: Method
    fixed: tuple[str, ...]
    jobs: int | None
    kept_at: Path
    data: Data
    told: Callable[[int, int], None]

    def __call__(self, wanted: Sequence[Relations], base: Fitted | None) -> list[Fitted]:
        """The fits, in the order in which they are wanted.

        Raises:
            FitError: one has no objective where it begins.
            ModelError, CovariateError: a relation makes no model.
        """
        models = [self.written(relations) for relations in wanted]
        begun = [self._begun(relations, base) for relations in wanted]
        bounds = [self._bounds(relations) for relations in wanted]
        keys = [self._key(*each) for each in zip(models, begun, bounds, strict=True)]
        known = dict(_read(self.kept_at))
        missing = [n for n, key in enumerate(keys) if key not in known]
        self.told(len(keys) - len(missing), len(keys))
        records = tuple((case.patient_id, case.recorded) for case in self.cases)
        tasks = [
            (n, models[n].text, models[n].id, records, self.fixed, self.method, begun[n], bounds[n]) for n in missing
        ]
        with closing(in_processes(_fit, tasks, worker_processes(self.jobs, len(tasks)))) as results:
            for number, made in results:
                known[keys[number]] = made
                _append(self.kept_at, keys[number], made)
                self.told(sum(key in known for key in keys), len(keys))
        return [_fitted(relations, known[key]) for relations, key in zip(wanted, keys, strict=True)]

    def written(self, relations: Relations) -> Model:
        """The model with these relations, without effect."""
        return with_relations(self.model, relations, self.described)

    def _begun(self, relations: Relations, base: Fitted | None) -> Numbers:
        if base is None:
            return ()
        found = dict(base.numbers)
        for relation in relations:
            found |= begun_at(relation, self.described[relation.covariate], base.numbers)
        return tuple(found.items())

    def _bounds(self, relations: Relations) -> BoundsByName:
        return tuple(
            (each.name, each.low, each.high)
            for relation in relations
            for each in coefficients(relation, self.described[relation.covariate])
        )

    def _key(self, model: Model, begun: Numbers, bounds: BoundsByName) -> str:
        said = [model.hash, self.data.hash, self.method, self.fixed, begun, bounds]
        return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


def at_bounds(found: Fitted, described: Mapping[str, Characteristic]) -> tuple[str, ...]:
    """Coefficients that ended as far as they may go."""
    every = (each for relation in found.relations for each in coefficients(relation, described[relation.covariate]))
    return tuple(each.name for each in every if found.numbers[each.name] in (each.low, each.high))


def _fit(
    number: int,
    text: str,
    model_id: str,
    records: Records,
    fixed: tuple[str, ...],
    method: Method,
    begun: Numbers,
    limits: BoundsByName,
) -> tuple[int, Made]:
    """One candidate, fitted; runs in a worker process."""
    model = model_of(text, model_id)
    cases = [Case(patient, model, recorded) for patient, recorded in records]
    theta = Theta.of(model, fixed)
    begin = theta.pack(theta.population({name: value for name, value in begun if name in theta.names}))
    low, high, vanishing = bounds(theta)
    for name, least, most in limits:
        at = theta.names.index(name)
        low[at], high[at] = least, most
    cohort = cohort_of(timelines_of(cases, model, lambda _: None), theta)
    try:
        within = Bounds(low, high, vanishing)
        state, here = search(objective_of(cohort, method), State(within.clip(begin)), lambda *_: None, within)
    except FloatingPointError as error:
        raise FitError(f"{error}; begin with other values in the model file, or look at doses and units") from None
    numbers = tuple(zip(theta.names, theta.natural(here.vector).tolist(), strict=True))
    return number, Made(float(here.total), numbers, state.why == "converged")


def _fitted(relations: Relations, made: Made) -> Fitted:
    return Fitted(relations, made.objective, len(made.numbers), dict(made.numbers), made.converged)


def _append(path: Path, key: str, made: Made) -> None:
    content = {
        "key": key,
        "objective": made.objective.hex(),
        "numbers": {name: value.hex() for name, value in made.numbers},
        "converged": made.converged,
    }
    with path.open("a", encoding="utf-8") as file:
        # On a line of its own, also behind one that was cut short.
        file.write("\n" + json.dumps(content))


def _read(path: Path) -> Iterator[tuple[str, Made]]:
    """The fits of a file; a line that was cut short is none."""
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        try:
            content = json.loads(line)
            numbers = tuple((name, float.fromhex(value)) for name, value in content["numbers"].items())
            yield content["key"], Made(float.fromhex(content["objective"]), numbers, bool(content["converged"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
