"""Where the parts of each kind come from: the modules of a room of ours, and packages installed beside dosetwin.

A rule, a feed, a sink is one module that says of itself what it is. It is found because it stands in its room, or
because an installed package names it in an entry point group:

    [project.entry-points."dosetwin.rules"]
    fever = "ward_rules.fever"

`discover` imports what it finds and hands each to the kind's own ``accept``. What cannot be used becomes a
`BrokenPlugin` that says whose it is, what is wrong and how to mend it; everything else goes on without it.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

OURS = "dosetwin"
"""Origin of what stands in our own rooms."""


class PluginError(ValueError):
    """What a plugin offers cannot be used: ``reason`` says why, ``mend`` what would do."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(f"{reason}; {mend}")
        self.reason = reason
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Plugin(Generic[T]):
    """Something of a kind that can be used.

    Attributes:
        kind: ``"rule"``, ``"feed"`` and so on.
        name: by which people call it; one of a kind.
        summary: the first line of its docstring.
        origin: distribution and version that it came with, or `OURS`.
        offer: what the kind's ``accept`` made of it.
    """

    kind: str
    name: str
    summary: str
    origin: str
    offer: T


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """Something that was found but cannot be used; the text of it is one line."""

    kind: str
    name: str
    origin: str
    reason: str
    mend: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.origin}: {self.reason}; {self.mend}"


@dataclass(frozen=True)
class Found(Generic[T]):
    """All of one kind, each list sorted by name."""

    plugins: tuple[Plugin[T], ...]
    broken: tuple[BrokenPlugin, ...]

    def named(self, name: str) -> Plugin[T] | None:
        """The plugin of this name, if there is one."""
        return next((plugin for plugin in self.plugins if plugin.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that can be used, sorted."""
        return tuple(plugin.name for plugin in self.plugins)

    @property
    def offers(self) -> tuple[T, ...]:
        """What they offer, in the order of their names."""
        return tuple(plugin.offer for plugin in self.plugins)


class Gathering(Generic[T]):
    """Takes what is offered of one kind under its names.

    A name that is taken stays with who had it first, so what is ours is offered before what others bring.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._plugins: dict[str, Plugin[T]] = {}
        self._broken: list[BrokenPlugin] = []

    def take(self, name: str, origin: str, summary: str, offer: T) -> None:
        """Take it, or refuse it where its name is taken."""
        if name in self._plugins:
            taken = PluginError(f"the name '{name}' is taken by {self._plugins[name].origin}", "give it another name")
            self.refuse(name, origin, taken)
        else:
            self._plugins[name] = Plugin(self.kind, name, summary, origin, offer)

    def refuse(self, name: str, origin: str, error: PluginError) -> None:
        """Keep in mind why it cannot be used."""
        self._broken.append(BrokenPlugin(self.kind, name, origin, error.reason, error.mend))

    def found(self) -> Found[T]:
        """All that was taken and all that was refused."""
        return Found(
            tuple(self._plugins[name] for name in sorted(self._plugins)),
            tuple(sorted(self._broken, key=lambda one: (one.name, one.origin))),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be a plugin, before it is imported."""

    name: str
    origin: str
    load: Callable[[], object]

    def imported(self) -> object:
        """What it is.

        Raises:
            PluginError: the import fails, for whatever reason.
        """
        try:
            return self.load()
        except (Exception, SystemExit) as error:  # whatever a stranger's module does on import
            said = " ".join(str(error).split())
            raise PluginError(
                f"cannot be imported ({type(error).__name__}: {said})",
                "mend it, or uninstall the package that it is of",
            ) from error


def modules_of(room: str) -> tuple[str, ...]:
    """Full names of the modules and packages directly in the package ``room``, sorted; none is imported but ``room``.

    >>> modules_of("twin.alerts")[0]
    'twin.alerts.chance'
    """
    names = (module.name for module in pkgutil.iter_modules(importlib.import_module(room).__path__))
    return tuple(f"{room}.{name}" for name in sorted(names))


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is none: the known one that it is most like, or all of them.

    >>> nearest("docetaxl", ["docetaxel", "cisplatin"])
    "did you mean 'docetaxel'?"
    """
    there = list(known)
    close = difflib.get_close_matches(name, there, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"there are {', '.join(there)}" if there else "there are none"


def entry_points_of(group: str) -> Iterator[Candidate]:
    """What installed packages offer in an entry point group, by distribution and name."""
    from importlib.metadata import entry_points  # reads every installed package: not before somebody asks

    for point in sorted(entry_points(group=group), key=lambda one: (_origin(one), one.name, one.value)):
        yield Candidate(point.name, _origin(point), point.load)


def discover(
    kind: str,
    accept: Callable[[object], T],
    *,
    rooms: Iterable[str] = (),
    group: str | None = None,
    mark: str | None = None,
    name_of: Callable[[T], str] | None = None,
    spelled: Callable[[str], str] = str,
) -> Found[T]:
    """Everything of one kind: what stands in ``rooms``, then what ``group`` adds.

    Args:
        kind: what one is called.
        accept: makes of the imported object what the kind's users work with; raises `PluginError` where it cannot.
        rooms: packages of ours, each module of which may be one.
        group: entry point group of other packages.
        mark: attribute that tells a plugin from the other modules of its room; without it every module is one.
        name_of: how it names itself; by default as its module or its entry point.
        spelled: how people write the name of a module of ours.

    Who has a name first keeps it: ours before others, those in the order of their distributions.
    """
    gathering = Gathering[T](kind)
    ours = [name for room in rooms for name in modules_of(room)]
    own = (Candidate(spelled(name.rpartition(".")[2]), OURS, _importer(name)) for name in ours)
    for candidate in (*own, *(entry_points_of(group) if group else ())):
        try:
            offered = candidate.imported()
            if mark is not None and candidate.origin == OURS and not hasattr(offered, mark):
                continue
            offer = accept(offered)
        except PluginError as error:
            gathering.refuse(candidate.name, candidate.origin, error)
        else:
            name = candidate.name if name_of is None else name_of(offer)
            gathering.take(name, candidate.origin, summary_of(offered), offer)
    return gathering.found()


def attribute(offered: object, name: str, kind: type[T], mend: str) -> T:
    """The attribute of something offered, which must be there and of a kind.

    Raises:
        PluginError: it is not.
    """
    found = getattr(offered, name, None)
    if found is None:
        raise PluginError(f"has no {name}", mend)
    if not isinstance(found, kind):
        raise PluginError(f"{name} is of type {type(found).__name__}, not {kind.__name__}", mend)
    return found


def summary_of(offered: object) -> str:
    """First line of its docstring; empty where it has none."""
    return (offered.__doc__ or "").strip().partition("\n")[0]


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "a package without a name"


def _importer(module: str) -> Callable[[], object]:
    return lambda: importlib.import_module(module)
