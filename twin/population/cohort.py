"""All patients of a fit side by side: what an evaluation costs is the kernel and a little algebra.

Each is a row z of the same columns (`twin.population.unknowns.columns`).

Particles of all patients are made into equations together (individual parameters, eigenbases), and go through the
kernel patient by patient. Each patient's numbers depend on its own rows alone, so that neither who else is asked for
nor the number of threads changes a bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from twin.arrays import Floats, Integers, storable
from twin.kernel.arguments import StepSizes, System
from twin.kernel.compiling.by_hand import compiled
from twin.kernel.delayed_input import TIMING
from twin.kernel.free import free_functions, with_own_individuals
from twin.kernel.kernel import Kernel
from twin.population.paces.walked import paced
from twin.population.sites.membership import drawn_sites, sites_of
from twin.population.subjects import Held, Stretch, Subject, members_of, prepared
from twin.population.theta import FitError, Theta
from twin.population.unknowns.columns import Columns
from twin.randomness import generator
from twin.solver.eigenbasis import eigenbasis
from twin.solver.solver import Solver
from twin.solver.step_schedule import one_step
from twin.timeline.segments import Segment, Segments
from twin.timeline.timeline import Timeline

PEOPLE = 16
"""Of the population that a search begins with, the typical patient and others drawn widely: those by whom it is decided
how finely a patient is stepped."""

MOST_EFFECTS = 200
"""Of a patient whose effects drift: what a fit solves goes by their square."""

WIDELY = 1.5
"""Standard deviations of such draws, in those of the population."""


class Spread(Protocol):
    """Applies a function to each of some numbers and yields what it gives, in their order, as ``map`` does; that of a
    pool of threads spreads them over cores, for the kernel does not hold Python's lock."""

    def __call__(self, function: Callable[[int], Floats], numbers: Iterable[int], /) -> Iterable[Floats]: ...


class Run(NamedTuple):
    """Places ``begin`` to ``end`` of sorted patients that are one and the same ``subject``."""

    subject: int
    begin: int
    end: int


class Cohort:
    """All patients of one fit, with the equations that they share.

    Of a mixture (`Model.mixture`) each stands here once for every class: what is said of patients below is of such
    members (`twin.population.mixture`), and `patients` are those that there are.

    Attributes:
        subjects: in the order of everything that is by patient.
        classes: of a mixture; 1 of a model without any.
        theta: what is free; it decides which shifts there are.
        parts: which columns are of eta, of each kappa and of each step of a drift.
        effects: D, columns of all these and of what widens them.
        size: M, columns of z.
        directions: (K, M) what each element of theta does to z: 0 but for typical values.
        first: (N + 1,) range of each patient's observations in arrays of all of them.
        site: (N,) number of the site of each of the `patients`, where the model has sites that differ
            (`twin.population.sites`).

    ``spread`` is how patients whose equations are stepped are spread over cores.
    """

    def __init__(
        self,
        kernel: Kernel,
        step_sizes: StepSizes,
        timelines: Mapping[str, Timeline],
        theta: Theta,
        spread: Spread = map,
    ) -> None:
        model = kernel.model
        self.kernel = kernel
        self.step_sizes = step_sizes
        self.subjects, self.classes = members_of(kernel, step_sizes, timelines)
        if not any(subject.observations for subject in self.subjects):
            raise FitError("no patient has a value of an output of the model: there is nothing to fit")
        self.site = sites_of(model, self.patients)
        self.columns = Columns(model, theta, self.subjects)
        if model.drift is not None and self.columns.effects > MOST_EFFECTS:
            raise FitError(
                f"drift: its grid of {model.drift.grid:g} makes {self.columns.effects} effects of who was followed"
                f" longest, and a fit takes {MOST_EFFECTS}; write a coarser grid into [drift]"
            )
        self.theta, self.parts, self.effects = self.columns.theta, self.columns.parts, self.columns.effects
        self.size, self.directions = self.columns.size, self.columns.directions
        self.first = np.concatenate([[0], np.cumsum([len(s.observations) for s in self.subjects])]).astype(np.int64)
        self._single = np.array([rows[0] for rows in kernel.rows], dtype=np.int64)
        self._free = free_functions(kernel)
        self._own = replace(kernel, individual=with_own_individuals(kernel))
        self._spread = spread
        self.subjects = self._paced()

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def above(self) -> Floats:
        """(D, q) E: which effects of a patient those of its site add to."""
        columns = self.kernel.model.site_columns
        found = np.zeros((self.effects, len(columns)))
        found[list(columns), np.arange(len(columns))] = 1.0
        return found

    @property
    def axes(self) -> Integers:
        """(A,) columns of effects that modes are searched along: all but what steps of a drift add, which are many and
        each small."""
        of_steps = [column for part in self.parts["drift"] for column in range(part.start, part.stop)]
        return np.setdiff1d(np.arange(self.effects), of_steps)

    @property
    def site_of_members(self) -> Integers | None:
        """(N,) number of each member's site: that of the patient."""
        return None if self.site is None else np.repeat(self.site, self.classes)

    @property
    def patients(self) -> tuple[Subject, ...]:
        """Everybody once."""
        return self.subjects[:: self.classes]

    @property
    def values(self) -> int:
        """How many values there are of everybody."""
        return int(self.first[-1]) // self.classes

    def drawn(self, which: Integers) -> Cohort:
        """Of the `patients` ``which`` (K,), sorted, some of them perhaps repeatedly, as if they were others; a site
        that is there repeatedly is as many sites."""
        members = (which[:, None] * self.classes + np.arange(self.classes)).reshape(-1)
        return self._of(members, self.classes, None if self.site is None else drawn_sites(self.site, which))

    def in_classes(self, classes: Integers) -> tuple[Cohort, Integers]:
        """The `patients`, each in a class (N,) that is taken to be known, and which members (N,) they are."""
        members = np.arange(len(classes), dtype=np.int64) * self.classes + classes
        return self._of(members, 1, self.site), members

    def _of(self, members: Integers, classes: int, site: Integers | None) -> Cohort:
        found = copy.copy(self)
        found.classes, found.subjects = classes, tuple(self.subjects[i] for i in members)
        found.site = site
        found.first = np.concatenate([[0], np.cumsum([len(s.observations) for s in found.subjects])]).astype(np.int64)
        return found

    def seen_at(self, instants: Sequence[Integers]) -> Cohort:
        """The same patients, whose solutions (`rows`) have rows at further ms besides, (G,) of each and from the start
        of the record to its last value."""
        found = copy.copy(self)
        each = zip(self.subjects, instants, strict=True)
        found.subjects = tuple(
            prepared(s.id, self.kernel, self.step_sizes, s.timeline, also, s.key, s.pace, s.looked_at)
            for s, also in each
        )
        return found

    def individuals(self, phi: Floats, covariates: Floats) -> Floats:
        """Individual values (N, `Kernel.width`) of placed parameters (N, P) and covariates (N, C)."""
        par = np.empty((len(phi), self.kernel.width))
        self._free.individual(np.ascontiguousarray(phi), np.ascontiguousarray(covariates), par)
        return par

    def rows(self, which: Integers, z: Floats, place: Floats) -> list[Floats]:
        """Solve for points z (K, S, M) of the patients ``which`` (K,), sorted; one may stand there repeatedly.

        Returns:
            Of each run of one patient its solution (marks, O, times it stands there * S), rows O as
            `twin.kernel.kernel.Kernel.outputs`.
        """
        runs = runs_of(which)
        points = [np.ascontiguousarray(z[run.begin : run.end].reshape(-1, z.shape[2])) for run in runs]
        ways, systems = self._systems(runs, points, place)
        # Closed forms are solved sooner than a thread is told of them.
        run_all = self._spread if self.kernel.stepped else map

        def solved(n: int) -> Floats:
            return self._solved(runs[n].subject, points[n], ways[n], systems[n], place)

        return list(run_all(solved, range(len(runs))))

    def predictions(self, which: Integers, z: Floats, place: Floats) -> Floats:
        """What is predicted of every value (T, S), of outputs whose likelihood reads a single row.

        T are the observations of the K patients ``which``, one after another.
        """
        found, points = [], z.shape[1]
        for run, out in zip(runs_of(which), self.rows(which, z, place), strict=True):
            subject = self.subjects[run.subject]
            read = out[subject.mark, self._single[subject.output]].reshape(len(subject.mark), -1, points)
            found.append(read.swapaxes(0, 1).reshape(-1, points))
        return np.ascontiguousarray(np.concatenate(found))

    def offsets(self, which: Integers) -> Integers:
        """(K + 1,) range of each of the patients ``which`` in arrays such as `predictions`."""
        return np.concatenate([[0], np.cumsum(np.diff(self.first)[which])]).astype(np.int64)

    def of_observations(self, which: Integers) -> Integers:
        """(T,) which of all observations those of the patients ``which`` are, one after another."""
        begin = self.offsets(which)
        return np.arange(begin[-1]) + np.repeat(self.first[which] - begin[:-1], np.diff(begin))

    def _systems(
        self, runs: list[Run], points: list[Floats], place: Floats
    ) -> tuple[list[tuple[Stretch, ...] | None], list[list[System]]]:
        """Of each run the way through time of its particles, and their equations in each of the patient's systems, all
        made at once."""
        parts = [
            (n, self.columns.phi(z, place, held, self.subjects[run.subject]), covariates)
            for n, (run, z) in enumerate(zip(runs, points, strict=True))
            for covariates, held in self.subjects[run.subject].systems
        ]
        found: list[list[System]] = [[] for _ in runs]
        placed: list[list[Floats]] = [[] for _ in runs]
        for n, rows, _ in parts:
            placed[n].append(rows)
        ways = [self.subjects[run.subject].way(rows) for run, rows in zip(runs, placed, strict=True)]
        if not parts:
            return ways, found
        phi = np.concatenate([rows for _, rows, _ in parts])
        covariates = np.repeat([row for *_, row in parts], [len(rows) for _, rows, _ in parts], axis=0)
        every, begin = self._built(phi, covariates.reshape(len(phi), -1)), 0
        for n, rows, _ in parts:
            found[n].append(every.of(slice(begin, begin + len(rows))))
            begin += len(rows)
        return ways, found

    def _paced(self) -> tuple[Subject, ...]:
        """Everybody, stepped no more finely than `PEOPLE` of the population that the search begins with need."""
        deviation = np.sqrt(np.diag(self.theta.start.prior(self.parts)[0]))
        eta = np.zeros((len(self), self.effects))
        return self.paced_around(eta, np.broadcast_to(np.diag(deviation), (len(self), *[self.effects] * 2)), WIDELY)

    def paced_around(
        self, eta: Floats, factor: Floats, wide: float, place: Floats | None = None
    ) -> tuple[Subject, ...]:
        """Everybody, stepped no more finely than `PEOPLE` need who are each around effects (N, D).

        Args:
            factor: (N, D, D) of the covariance that they have; whose is not finite stays as it is.
            wide: by so many standard deviations.
            place: of the population, `Population.place`; that of the beginning if not said.
        """
        if not self.kernel.stepped or self.kernel.late:
            return self.subjects
        place = self.theta.start.place if place is None else place
        draws = wide * generator("pace", "people").standard_normal((PEOPLE - 1, self.effects))
        found = []
        for number, subject in enumerate(self.subjects):
            if subject.stretches is not None and subject.finest is not None:
                subject = replace(subject, stretches=subject.finest, finest=None, looked_at=None)
            z = np.zeros((PEOPLE, self.size))
            z[:, : self.effects] = eta[number]
            z[1:, : self.effects] += draws @ factor[number].T
            z = storable(z) if np.isfinite(z).all() else z
            usable = subject.stretches is not None and np.isfinite(z).all()
            systems = self._systems([Run(number, 0, 1)], [z], place)[1][0] if usable else []
            placed = np.concatenate([self.columns.phi(z, place, held) for _, held in subject.systems] or [z])
            looked_at = np.stack([placed.min(axis=0), placed.max(axis=0)])
            found.append(paced(subject, self.kernel, self.step_sizes, systems, looked_at) if systems else subject)
        return tuple(found)

    def _built(self, phi: Floats, covariates: Floats) -> System:
        kernel, count = self.kernel, len(phi)
        size, inputs = len(kernel.linear), len(kernel.inputs)
        par = self.individuals(phi, covariates)
        a, b, c = np.zeros((count, size, size)), np.zeros((count, size, inputs)), np.zeros((count, size))
        self._free.system(par, covariates, a, b, c)
        lam, v, w = eigenbasis(a, c)
        bw, cw = np.zeros((count, size, inputs)), np.zeros((count, size))
        _in_modes(w, b, c, bw, cw)
        return System(par, lam, v, w, bw, cw, np.zeros((count, 0, TIMING)))

    def _solved(
        self, number: int, z: Floats, way: tuple[Stretch, ...] | None, systems: list[System], place: Floats
    ) -> Floats:
        """(marks, O, N) of one patient's particles z (N, M), which go this way through time."""
        subject, kernel = self.subjects[number], self.kernel
        if way is None:
            return self._solved_elsewhere(subject, z, place)
        out = np.empty((len(subject.marks), kernel.height, len(z)))
        states, y = np.empty((0, 0)), np.empty((0, 0))
        held = -1
        for stretch in way:
            system = systems[stretch.system]
            if (moment := stretch.begins) is not None:
                x, y = np.zeros((len(z), len(kernel.linear))), np.zeros((len(z), len(kernel.stepped)))
                then = systems[moment.system]
                kernel.initial(then.par, moment.covariates, x, y)
                if held < 0 and subject.shown:
                    alone = one_step(kernel, len(z), 0.0, 0.0, shown=True)
                    kernel.advance(_times(then.w, x), y.copy(), moment.covariates, then, alone, out[:1])
                states = _times(system.w, x)
            elif stretch.system != held:
                states = _times(system.w, _times(systems[held].v, states))
            held = stretch.system
            if len(stretch.steps.dt):
                kernel.advance(states, y, stretch.covariates, system, stretch.steps, out[stretch.marks])
        return out

    def _solved_elsewhere(self, subject: Subject, z: Floats, place: Floats) -> Floats:
        if not len(subject.marks):
            return np.empty((0, self.kernel.height, len(z)))
        solver = Solver(self._own, _Placed(self, subject, z, place), self.step_sizes, shared=False)
        start = solver.initial(subject.timeline)
        return solver.advance(start, subject.timeline, int(subject.marks[-1]), subject.marks)[1]


class _Placed:
    """Placed parameters through time, as a solver asks for effects."""

    def __init__(self, cohort: Cohort, subject: Subject, z: Floats, place: Floats) -> None:
        self._cohort, self._subject, self._z, self._at = cohort, subject, z, place

    @property
    def count(self) -> int:
        """Number of particles."""
        return len(self._z)

    def at(self, _segments: Segments, segment: Segment, /) -> Floats:
        """(N, P) in a segment."""
        return self._cohort.columns.phi(self._z, self._at, self._subject.held(segment), self._subject)

    def lasting(self, _segments: Segments, segment: Segment, /) -> Floats:
        """The same without any occasion, as far as it has drifted."""
        held = Held(steps=self._subject.held(segment).steps)
        return self._cohort.columns.phi(self._z, self._at, held, self._subject)


def runs_of(which: Integers) -> list[Run]:
    """Stretches of the same number in sorted ones (K,)."""
    edges = np.flatnonzero(np.diff(which)) + 1
    begins, ends = [0, *edges.tolist()], [*edges.tolist(), len(which)]
    return [Run(int(which[b]), b, e) for b, e in zip(begins, ends, strict=True) if e > b]


@compiled
def _times(matrix, vector):  # type: ignore[no-untyped-def]
    """Per-particle matrix times vector, (N, r, c) by (N, c)."""
    found = np.zeros((len(vector), matrix.shape[1]))
    for n in range(len(vector)):
        for r in range(matrix.shape[1]):
            for c in range(matrix.shape[2]):
                found[n, r] += matrix[n, r, c] * vector[n, c]
    return found


@compiled
def _in_modes(w, b, c, bw, cw):  # type: ignore[no-untyped-def]
    """W B (N, L, I) and W c (N, L)."""
    for n in range(len(w)):
        for r in range(w.shape[1]):
            for k in range(w.shape[2]):
                for i in range(b.shape[2]):
                    bw[n, r, i] += w[n, r, k] * b[n, k, i]
                cw[n, r] += w[n, r, k] * c[n, k]
