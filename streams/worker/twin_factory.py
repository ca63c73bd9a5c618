"""The seam between the stream and the twin: what the stream needs of a twin, and where twins come from.

`LibraryTwins` is the real source. Anything with the same two methods and one call can take its place (a test's
deterministic stand-in, a remote engine); ``dosetwin worker --twins module:name`` names it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import structlog

if TYPE_CHECKING:
    from connectors.releases import Version
    from twin.events import InputEvent, OutputEvent, Rejected
    from twin.model.spec import Model
    from twin.patient.rivals import Rivals
    from twin.steps import Steps

_log = structlog.get_logger("dosetwin.worker")

LEAST_PARTICLES = 32
"""Size of a twin that only serves to compile its model."""


_COMPILES = """
import sys
from streams.worker.twin_factory import compile_all
from twin.modelfile.reader import parse_model
compile_all(parse_model(sys.stdin.read(), sys.argv[1]))
"""


class TwinUpdate(Protocol):
    """What observing some events brought forth, in order."""

    @property
    def outputs(self) -> tuple[OutputEvent, ...]: ...

    @property
    def rejected(self) -> tuple[Rejected, ...]: ...

    @property
    def withheld(self) -> bool: ...


class Twin(Protocol):
    """One patient's twin, as the stream sees it.

    ``reaches_back`` says whether to observe an event may let the twin fold again what it has folded, which takes long.
    ``take`` observes an event within microseconds if nothing follows from it; if it says no, nothing was done.
    ``observing`` is deterministic, and for events in order of event time observing them together is the same as
    observing them one by one; until its last step is done nothing else is asked of the twin. ``level``: see
    `twin.PatientTwin.observe`; what an update withholds while the topics are not, the next one brings forth once they
    are.
    """

    def observing(self, events: Sequence[InputEvent], *, level: bool = True) -> Steps[TwinUpdate]: ...

    def row(self) -> bytes: ...

    def take(self, event: InputEvent, *, level: bool = True) -> bool: ...

    def reaches_back(self, event: InputEvent) -> bool: ...


class UnknownModel(LookupError):
    """No model of this id, or its file does not load; the message says which and why."""


class TwinFactory(Protocol):
    """Where twins come from. All three raise `UnknownModel`; they are called from worker threads."""

    def __call__(self, model_id: str, patient_id: str) -> Twin: ...

    def restore(self, model_id: str, row: bytes) -> Twin: ...

    def model_hash(self, model_id: str) -> str: ...


class LibraryTwins:
    """Twins of the model library and of model files that the operator named (never of a path in an event).

    A model id ``A,B,C`` stands for the average of rival models. With ``clinical``, a folder of releases, only models
    that one of its reviewers released are used; their files may stand beside their releases.

    Raises:
        ValueError: ``rules``, ``protocols`` or ``clinical`` are none.
    """

    def __init__(
        self,
        particles: int = 1000,
        model_files: Mapping[str, Path] | None = None,
        rules: Path | None = None,
        protocols: Sequence[Path] = (),
        clinical: Path | None = None,
    ) -> None:
        import twin.patient.averaged  # noqa: F401  here, before there are threads that would import it at once
        from connectors.releases import ReleasedVersions, open_releases
        from twin.alerts.rules import thresholds_of
        from twin.alerts.thresholds import DEFAULT
        from twin.dosing.live import LiveAdviser
        from twin.dosing.protocol import load_protocol

        self._thresholds = DEFAULT if rules is None else thresholds_of(rules.read_text(encoding="utf-8"), str(rules))
        self._adviser = LiveAdviser([load_protocol(path) for path in protocols])
        self._particles = particles
        self._told = {particles}
        self._model_files = dict(model_files or {})
        self._releases = None if clinical is None else open_releases(clinical)
        self._model = lru_cache(maxsize=64)(self._load)
        self._versions = None if self._releases is None else ReleasedVersions(self._releases, self._model)

    def __call__(self, model_id: str, patient_id: str) -> Twin:
        from twin.patient.averaged import begun_twin

        models = self._models(model_id)
        return cast(Twin, begun_twin(patient_id, models, self._particles, self._thresholds, self._adviser))

    def restore(self, model_id: str, row: bytes) -> Twin:
        from twin.patient.averaged import resumed_twin

        twin = resumed_twin(row, self._models(model_id), self._thresholds, self._adviser)
        if twin.particles not in self._told:  # once for each size, not for each patient
            self._told.add(twin.particles)
            _log.warning("twins go on with as many particles as they have", particles=twin.particles,
                         setting=self._particles, mend="dosetwin patient rebuild makes them anew")  # fmt: skip
        return cast(Twin, twin)

    def model_hash(self, model_id: str) -> str:
        return self._models(model_id).hash

    def versions(self) -> Mapping[str, Version]:
        """See `streams.worker.versions.moving.MovableTwins`: those of clinical mode, for nobody signs without it."""
        return {} if self._versions is None else self._versions.now()

    def moving(self, row: bytes, old_id: str, new_id: str, *, level: bool) -> Steps[tuple[Twin, TwinUpdate]]:
        """See `streams.worker.versions.moving.MovableTwins`."""
        from twin.learning.messages.structure import require_version
        from twin.patient.versions.moving import moving

        old, new = self._model(old_id), self._model(new_id)
        try:
            require_version(old, new)
        except ValueError as error:
            raise UnknownModel(str(error)) from None
        twin, update = yield from moving(row, old, new, self._thresholds, self._adviser, level=level)
        return cast(Twin, twin), update

    def _models(self, model_id: str) -> Model | Rivals:
        """The model of that id, or rival ones ``A,B,C``, to be averaged."""
        from twin.patient.rivals import rivals

        if "," not in model_id:
            return self._model(model_id)
        try:
            return rivals([self._model(one) for one in model_id.split(",")])
        except ValueError as error:
            raise UnknownModel(f"models {model_id!r}: {error}") from error

    def compile(self, model_ids: Sequence[str]) -> None:
        """Compile these models, so that none of their patients waits for it (from the cache but once).

        Raises:
            UnknownModel: no such model.
        """
        for model_id in model_ids:
            compile_all(self._model(model_id))

    def make_ready(self, model_id: str) -> None:
        """Compile a model in a process beside this one, which has it from the cache then: nobody here waits for it.

        Raises:
            UnknownModel: no such model.
        """
        model = self._model(model_id)
        beside = [sys.executable, "-P", "-c", _COMPILES, f"{model.id}.toml"]
        done = subprocess.run(beside, input=model.text.encode(), capture_output=True, check=False)
        if done.returncode:
            _log.warning("a model could not be compiled beside the worker", model=model.id, code=done.returncode)

    def _load(self, model_id: str) -> Model:
        from twin import load_model
        from twin.names import NAME_IN_WORDS, is_name

        if not is_name(model_id):
            raise UnknownModel(f"model {model_id!r} is no model id; {NAME_IN_WORDS}")
        try:
            released = None if self._releases is None else self._releases.file_of(model_id)
            model = load_model(str(self._model_files.get(model_id, released or model_id)), mixtures=True)
            if self._releases is not None:
                self._releases.check(model)
            return model
        except (LookupError, ValueError, OSError) as error:
            raise UnknownModel(f"model {model_id!r}: {error}") from error


def compile_all(model: Model) -> None:
    """A dose told to a twin that nobody keeps calls all that is compiled."""
    from twin.events import DoseGiven, Quantity
    from twin.patient.averaged import begun_twin

    dose = DoseGiven(
        event_id="compile",
        patient_id="nobody",
        time=datetime(2000, 1, 1, tzinfo=UTC),
        source="worker",
        drug=model.drug,
        route="iv",
        amount=Quantity(value=1.0, unit="mg"),
    )
    begun_twin("nobody", model, particles=LEAST_PARTICLES).observe([dose])


def twin_factory(path: str) -> Callable[..., TwinFactory]:
    """The class or function at ``module:name``.

    Raises:
        ValueError: nothing importable there; says what was tried.
    """
    module_name, _, name = path.partition(":")
    try:
        return cast(Callable[..., TwinFactory], getattr(importlib.import_module(module_name), name))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--twins {path!r}: expected 'module:name' of a twin factory ({error})") from None
