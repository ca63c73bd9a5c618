"""What commands of learning share: files that are read, what published numbers are worth, records to fold again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.batch.arguments import LeftOut, cases_in, reading, usable_arguments
from streams.batch.cases import CaseError, EventPlace, Problem
from streams.batch.learning.account import read_account
from streams.batch.learning.folding import folded
from streams.batch.learning.judging import Comparison
from streams.batch.learning.messages import read_messages
from streams.batch.learning.rounds import FoldAgain
from streams.batch.learning.sites import said_in
from streams.batch.learning.verdicts import file_of, read_version
from streams.batch.process_pool import prepare, worker_processes
from streams.terminal.options import ReadingOptions
from streams.terminal.progress import progress
from twin.learning.estimation import Learnt
from twin.learning.maximisation import Standing, standing_of
from twin.learning.messages.coefficients import coefficients_of
from twin.learning.messages.message import Message
from twin.learning.messages.structure import typical_value, value_slope
from twin.learning.population import Anchor, Theta, anchor_of, theta_from
from twin.model.spec import Model, ModelError
from twin.modelfile.library import load_model

WORTH_NOTHING = "none"
"""As ``--prior``: what is most likely is taken as it is."""


def estimate_lines(published: Model, anchor: Anchor, found: Learnt, prior: Standing | None) -> list[str]:
    """What was learnt as text: typical values and variances, as published and as learnt, with standard errors."""

    at, omega = anchor.natural(found.theta)
    by_name = {p.name: p for p in published.parameters}
    patients = "1 patient" if found.patients == 1 else f"{found.patients} patients"
    lines = [f"{patients}, {found.steps} steps, log-likelihood better by {found.gain:.4g}"]
    differ = "iiv" if published.sites is None else "iiv+isv"
    lines.append(f"{'':14}{'published':>12}{'learnt':>12}{'SE':>10}{differ + ' publ.':>14}{'learnt':>10}{'SE':>10}")
    for i, name in enumerate(anchor.centres.names):
        parameter = by_name[name]
        value = parameter.value if anchor.held[i] else typical_value(parameter, float(at[i]))
        error = found.errors.mean[i] * anchor.sd[i] * abs(value_slope(parameter, float(at[i])))
        numbers = (parameter.value, value, error, published.omega[i, i], omega[i, i])
        shown = "".join(f"{number:>{width}.4g}" for number, width in zip(numbers, (12, 12, 10, 14, 10), strict=True))
        lines.append(f"{name:14}{shown}{found.errors.covariance[i, i] * anchor.sd[i] ** 2:>10.3g}")
    alone = [] if prior is None else ["standard errors are what these patients tell alone, without --prior"]
    return lines + _further_lines(anchor, found) + alone


def _further_lines(anchor: Anchor, found: Learnt) -> list[str]:
    """Coefficients and sizes of errors that were learnt: published, learnt, standard error."""

    rows = []
    values, factors = anchor.also(found.theta)
    for at, name in enumerate(anchor.coefficients.names if anchor.coefficients is not None and values else ()):
        if name in values and anchor.coefficients is not None:
            error = found.errors.coefficients[at] * anchor.coefficients.unit[at]
            rows.append((name, anchor.coefficients.at[at], values[name], error))
    for at, name in enumerate(anchor.sizes.names):
        if name in factors:
            size = float(anchor.sizes.at[at])
            rows.append((f"error {name}", size, size * factors[name], size * factors[name] * found.errors.scatter[at]))
    shares = zip(anchor.shares.names, anchor.shares.at, found.theta.shares, found.errors.shares, strict=True)
    rows += [(f"share {of}", float(old), float(new), float(error)) for of, old, new, error in shares]
    return [f"{name:14}{published:>12.4g}{learnt:>12.4g}{error:>10.4g}" for name, published, learnt, error in rows]


@contextmanager
def usable() -> Iterator[None]:
    """Arguments and messages that cannot be used are said in one line, with exit code 2."""

    with usable_arguments():
        try:
            yield
        except (CaseError, ModelError):
            raise
        except ValueError as error:
            raise CaseError(str(error)) from None


def read_all(paths: Sequence[Path], left_out: LeftOut) -> tuple[Message, ...]:
    """The messages of some files; those that hold none are told.

    Raises:
        CaseError: there are none.
    """

    found, without = read_messages(paths)
    for text in without:
        place, _, reason = text.partition(": ")
        left_out(Problem(EventPlace(place, None), reason))
    if not found:
        raise CaseError("messages: none of these files holds one, so there is nothing to learn from")
    return found


def require_place(out: Path, option: str = "--out") -> None:

    if out.is_dir() or not out.parent.is_dir():
        raise CaseError(f"{option} {out}: name a file in a folder that is there")


def require_version_place(out: Path, name: str, published: Model, option: str = "--out") -> None:
    """Refuse what would take the place of the published model, or of a file that is no version of it.

    Raises:
        CaseError: ``name`` is the published model's id, or ``out`` cannot be written or is another model's file.
    """
    require_place(out, option)
    if name == published.id:
        raise CaseError(f"--id {name}: is the id of the published model; a version has one of its own, as {name}_2")
    if out.exists() and not file_of(out).exists():
        raise CaseError(f"{option} {out}: is there already, and no version that was learnt; name another file")


def standing(published: Model, prior: str | None, learn: Sequence[str]) -> Standing | None:
    """What the published numbers are worth, as ``--prior`` says, where those in ``learn`` are learnt too."""

    if prior is None or prior == WORTH_NOTHING:
        return None
    coefficients = [name for name in learn if name in coefficients_of(published).names]
    try:
        if prior == "stated":
            return standing_of(published, None, coefficients)
        errors = tomllib.loads(Path(prior).read_text(encoding="utf-8"))
        known = (*published.eta_names, *coefficients)
        strange = [name for name in errors if name not in known or not isinstance(errors[name], Mapping)]
        if strange:
            raise CaseError(
                f"--prior {prior}: {strange[0]} is no table of a number that is learnt; there are {', '.join(known)}"
            )
        return standing_of(published, errors, coefficients)
    except ValueError as error:
        raise CaseError(f"--prior {prior}: {error}") from None


def comparison(
    model: str, draft: Path, against: str | None, place: Callable[[Path, str], Path]
) -> tuple[Comparison, Path]:
    """A version and the one in use (by default the published one), and where the account of it stands.

    Args:
        place: where, beside the draft, by the id of the one in use.

    Raises:
        ModelError, CaseError: a file that cannot be read.
    """
    published, candidate = load_model(model, mixtures=True), load_model(draft, mixtures=True)
    current = load_model(against, mixtures=True) if against else published
    version, kept = read_version(candidate, draft), place(draft, current.id)
    return Comparison(anchor_of(published), candidate, current, version, read_account(kept, current)), kept


def tried(at: Path | None, anchor: Anchor) -> Theta:

    if at is None:
        return anchor.published
    return said_in(at, lambda text: theta_from(json.loads(text), anchor))


def folder_of(
    records: list[Path] | None,
    read_by: ReadingOptions,
    model: str,
    particles: int,
    jobs: int | None,
    left_out: LeftOut,
) -> FoldAgain | None:
    """What folds records again, where there are any.

    Raises:
        CaseError: it is said how records are read, and there are none.
    """

    if not records:
        given = [f"--{name.replace('_', '-')}" for name, value in read_by._asdict().items() if value]
        if given:
            mend = "name their files with --records, or leave that out"
            raise CaseError(f"{', '.join(given)}: how records are read, and there are none to read; {mend}")
        return None
    how = reading(model, records, read_by, mixtures=True)
    cases = {one.patient_id: one for one in cases_in(records, how, left_out)}

    def again(draft: Model, patients: Sequence[str]) -> Mapping[str, Message]:
        own = [cases[patient] for patient in patients if patient in cases]
        processes = worker_processes(jobs, len(own))
        prepare([draft], processes)
        with progress("fold again", "patients", len(own)) as done:
            return folded(own, draft, particles, processes, left_out, done)

    return again
