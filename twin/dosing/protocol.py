"""A protocol: how far a dose may be moved, by which steps, and what must not become too likely.

A protocol file is TOML, checked as strictly as a model file:

    id = "docetaxel_q3w"
    title = "Docetaxel every three weeks"
    drug = "docetaxel"
    assumed = "the ward's own choice"

    [dose]                  # everything here may be left out
    lowest = 0.5            # of the planned dose
    highest = 1.2
    step = "5 mg"           # vials and syringes: each dose is a whole multiple
    most = "200 mg"         # of one dose
    lifetime = "900 mg"     # of all doses that were ever given and are to come (an anthracycline's; of this patient)
    adjusts = "all"         # or "infusions": what is given at once or within an hour stays as planned

    [pump]
    rate_step = "0.1 mL/h"  # with the concentration in the bag; or in mg/h, without
    concentration = "10 mg/mL"
    most_rate = "250 mL/h"

    [delay]
    allowed = ["7 d", "14 d"]

    [target]
    name = "..."            # which of the model's targets of the drug; without, one of a whole course, or the first

    [window]                # or an output that is to stay in a window, which model predictive control sees to
    output = "inr"
    low = 2.0               # in the output's unit
    high = 3.0
    ahead = "10 d"          # how far it is looked

    [limits]
    neutropenia_g4 = 0.25   # the most that a toxicity of the model may be likely

    [sampling]
    after = ["40 h"]        # when the protocol draws a level, from the beginning of a course
    earliest = "2 h"
    latest = "46 h"

    [live]
    on = ["plan", "level"]  # a worker advises when these come; on request it always does
    differs = 0.1           # an alert tells of advice that differs from the plan by more than this part of it
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from twin.clock import HOUR_MS
from twin.model.spec import Model, ModelError, TargetSpec, ToxicitySpec, output_index
from twin.model.table import Table
from twin.units import UnitError, convert

Adjusts = Literal["all", "infusions"]

LOWEST, HIGHEST = 0.5, 1.5
"""How far from the planned dose advice goes where the protocol does not say (assumed); without a target never above."""

LIKELY = 0.25
"""The most that a toxicity of the model may be likely where no protocol is given (assumed: one course in four)."""

DIFFERS = 0.1
"""Difference from the plan that is worth an alert, where a protocol does not say (assumed: half a dose level)."""

LARGEST_FILE = 100_000


class ProtocolError(ModelError):
    """A protocol that cannot be used: which file, which key in it, and the problem with how to mend it."""


@dataclass(frozen=True)
class Window:
    """An ``output`` that is to stay between ``low`` and ``high``, in its unit, for ``ahead`` (ms) from now on."""

    output: str
    low: float
    high: float
    ahead: int


@dataclass(frozen=True)
class Protocol:
    """See the module docstring. Amounts are mg, rates mg/h, times ms.

    Attributes:
        window: an output that is to stay in one.
        limits: by toxicity of the model, the most that it may be likely.
        live: what lets a worker advise; ``differs``: from the plan, the part of it that an alert tells of.
        hash: of the file's text; of what is assumed where there is no file.
    """

    id: str
    title: str
    drug: str
    lowest: float = LOWEST
    highest: float | None = None
    step: float | None = None
    most: float | None = None
    lifetime: float | None = None
    adjusts: Adjusts = "all"
    rate_step: float | None = None
    most_rate: float | None = None
    delays: tuple[int, ...] = ()
    target: str | None = None
    window: Window | None = None
    limits: dict[str, float] = field(default_factory=dict)
    samples: tuple[int, ...] = ()
    earliest: int | None = None
    latest: int | None = None
    live: frozenset[str] = frozenset()
    differs: float = DIFFERS
    hash: str = ""

    def highest_of(self, aims: bool) -> float:
        """The most of the planned dose, where a target says how much is wanted (``aims``) or the plan does."""
        if self.highest is not None:
            return self.highest
        return HIGHEST if aims else 1.0

    def target_of(self, model: Model) -> TargetSpec | None:
        """The target that a dose is chosen for, if the model has one of the drug."""
        of_drug = [target for target in model.targets if target.drug == self.drug]
        if self.target is not None:
            return next(target for target in of_drug if target.name == self.target)
        return next((one for one in of_drug if one.measure == "course"), of_drug[0] if of_drug else None)

    def toxicities_of(self, model: Model) -> tuple[ToxicitySpec, ...]:
        """The toxicities that are limited."""
        return tuple(toxicity for toxicity in model.toxicities if toxicity.name in self.limits)

    def checked(self, model: Model) -> Protocol:
        """The protocol itself, if it fits a model and says what an exposure or toxicity of a dose is to be.

        Raises:
            ProtocolError: the model does not have the drug, a target or a toxicity, or nothing that a dose could be
                chosen for.
        """
        known = self._known(model)
        if not known and not self.limits:
            raise self._wrong(
                "limits",
                f"{model.id} has no target of {self.drug}, and no toxicity is limited: there is nothing that a dose "
                "could be chosen for; use a model with a target, or limit one of its toxicities"
                + (" (a [window] is for the arms of a study)" if self.window else ""),
            )
        return self

    def window_of(self, model: Model) -> Window:
        """The window that an output of a model is to stay in.

        Raises:
            ProtocolError: there is none, or the model does not have what the protocol names.
        """
        self._known(model)
        if self.window is None:
            raise self._wrong("window", "is missing; write the output that is to stay in one")
        if output_index(model, self.window.output) is None:
            has = ", ".join(output.name for output in model.outputs)
            raise self._wrong("window.output", f"'{self.window.output}' is no output of {model.id}; it has {has}")
        return self.window

    def _known(self, model: Model) -> list[str]:
        """Targets of the drug."""
        if self.drug not in model.drugs:
            raise self._wrong("drug", f"'{self.drug}' is no drug of {model.id}; it has {', '.join(model.drugs)}")
        known = [target.name for target in model.targets if target.drug == self.drug]
        if self.target is not None and self.target not in known:
            has = ", ".join(known) or "none"
            raise self._wrong("target.name", f"'{self.target}' is no target of {self.drug} in {model.id}; it has {has}")
        for name in self.limits:
            if all(toxicity.name != name for toxicity in model.toxicities):
                has = ", ".join(toxicity.name for toxicity in model.toxicities) or "none"
                raise self._wrong(f"limits.{name}", f"is no toxicity of {model.id}; it has {has}")
        return known

    def _wrong(self, key: str, problem: str) -> ProtocolError:
        return ProtocolError(self.id, key, problem)


def usual_protocol(model: Model, drug: str | None = None) -> Protocol:
    """What is assumed where no protocol is given: half to one and a half times the plan, each toxicity of the model at
    most `LIKELY`.

    Raises:
        ProtocolError: nothing that a dose could be chosen for.
    """
    of = drug or model.drug
    limits = {toxicity.name: LIKELY for toxicity in model.toxicities}
    digest = hashlib.blake2b(f"usual {LOWEST} {HIGHEST} {LIKELY}".encode(), digest_size=8).hexdigest()
    return Protocol("usual", "Assumed, for want of a protocol", of, limits=limits, hash=digest).checked(model)


def load_protocol(path: Path) -> Protocol:
    """A protocol file, read and checked by itself; `Protocol.checked` holds it against a model.

    Raises:
        ProtocolError: what is wrong in it, where, and how to mend it.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    if len(raw) > LARGEST_FILE:
        raise ProtocolError(path.name, "", f"has {len(raw)} bytes; a protocol has at most {LARGEST_FILE}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(path.name, "", f"is no UTF-8 text: {error}") from None
    return parse_protocol(text, path.name)


def parse_protocol(text: str, file: str) -> Protocol:
    """A protocol from its text; see `load_protocol`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(file, "", f"is no TOML: {error}") from None
    try:
        top = Table(file, "", content)
        found = _read(top, hashlib.blake2b(text.encode(), digest_size=8).hexdigest())
        top.close()
    except ProtocolError:
        raise
    except ModelError as error:
        raise ProtocolError(error.file, error.key, error.problem) from None
    return found


def _read(top: Table, digest: str) -> Protocol:
    top.evidence()
    dose, pump, delay = top.table("dose"), top.table("pump"), top.table("delay")
    target, sampling, live = top.table("target"), top.table("sampling"), top.table("live")
    lowest = dose.optional_number("lowest", least=0.0)
    highest = dose.optional_number("highest", above=0.0)
    low = LOWEST if lowest is None else lowest
    if low > 1.0:
        raise dose.wrong("lowest", f"is {low:g} of the planned dose; it is at most 1")
    if highest is not None and highest < 1.0:
        raise dose.wrong("highest", f"is {highest:g} of the planned dose; it is at least 1")
    adjusts: Adjusts = "all"
    if dose.has("adjusts") and dose.choice("adjusts", ("all", "infusions")) == "infusions":
        adjusts = "infusions"
    strength = _quantity(pump, "concentration", "mg/mL")
    limits = top.numbers("limits", above=0.0)
    for name, most in limits.items():
        if most >= 1.0:
            raise top.wrong(f"limits.{name}", f"is {most:g}; a probability that limits anything is below 1")
    on = live.texts("on")
    for word in on:
        if word not in ("plan", "level"):
            raise live.wrong("on", f"'{word}' is not known; write some of plan, level")
    differs = live.optional_number("differs", above=0.0)
    samples = _times(sampling, "after")
    found = Protocol(
        id=top.name("id"),
        title=top.text("title"),
        drug=top.name("drug"),
        lowest=low,
        highest=highest,
        step=_quantity(dose, "step", "mg"),
        most=_quantity(dose, "most", "mg"),
        lifetime=_quantity(dose, "lifetime", "mg"),
        adjusts=adjusts,
        rate_step=_rate(pump, "rate_step", strength),
        most_rate=_rate(pump, "most_rate", strength),
        delays=_times(delay, "allowed"),
        target=target.name("name") if target.has("name") else None,
        window=_window(top.table("window")) if top.has("window") else None,
        limits=limits,
        samples=samples,
        earliest=next(iter(_time(sampling, "earliest")), None),
        latest=next(iter(_time(sampling, "latest")), None),
        live=frozenset(on),
        differs=DIFFERS if differs is None else differs,
        hash=digest,
    )
    for table in (dose, pump, delay, target, sampling, live):
        table.close()
    return found


def _window(table: Table) -> Window:
    low, high = table.number("low"), table.number("high")
    if not low < high:
        raise table.wrong("high", f"is {high:g}; it must be greater than low, {low:g}")
    found = Window(
        table.text("output"), low, high, round(_converted(table, "ahead", table.text("ahead"), "h") * HOUR_MS)
    )
    table.close()
    return found


def _quantity(table: Table, key: str, unit: str) -> float | None:
    """A positive quantity such as "5 mg" in ``unit``, if there is one."""
    text = table.optional_text(key)
    if text is None:
        return None
    return _converted(table, key, text, unit)


def _converted(table: Table, key: str, text: str, unit: str) -> float:
    number, _, code = text.partition(" ")
    try:
        value = convert(float(number), code.strip(), unit)
    except UnitError as error:
        raise table.wrong(key, str(error)) from None
    except ValueError:
        raise table.wrong(key, f"'{text}' is no quantity; write a number and its unit, as in \"5 {unit}\"") from None
    if not value > 0.0:
        raise table.wrong(key, f"is {text}; it must be greater than 0")
    return value


def _rate(table: Table, key: str, strength: float | None) -> float | None:
    text = table.optional_text(key)
    if text is None:
        return None
    try:
        return _converted(table, key, text, "mg/h")
    except ModelError:
        volume = _converted(table, key, text, "mL/h")
    if strength is None:
        raise table.wrong(
            "concentration", f"is missing; '{key}' counts volume: write that of the bag, as in \"10 mg/mL\""
        )
    return volume * strength


def _times(table: Table, key: str) -> tuple[int, ...]:
    return tuple(round(_converted(table, key, text, "h") * HOUR_MS) for text in table.texts(key))


def _time(table: Table, key: str) -> tuple[int, ...]:
    text = table.optional_text(key)
    return () if text is None else (round(_converted(table, key, text, "h") * HOUR_MS),)
