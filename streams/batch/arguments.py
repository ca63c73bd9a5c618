"""What commands over recorded files share: how files are named, what is refused beforehand, and how they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from streams.batch.cases import Case, CaseError, Problem, RecordedCases, Report, read_cases, require_files
from streams.terminal.options import ReadingOptions, protocol_files
from streams.terminal.progress import progress

if TYPE_CHECKING:
    from connectors.feeds.nmtran.lines.chosen import Condition
    from twin.dosing.protocol import Protocol

LEFT_OUT = 3
"""Exit code when at least one line, event or patient could not be used."""

UNUSABLE = 2
"""Exit code when the arguments cannot be used."""


AS_THEY_ARE = ReadingOptions()
"""Files without any word of how they are read."""


def reading(
    model: str | None,
    files: Sequence[Path],
    options: ReadingOptions = AS_THEY_ARE,
    out: Path | None = None,
    *,
    averages: bool = False,
    mixtures: bool = False,
) -> RecordedCases:
    """How to read ``files``, whose results go into the folder ``out`` if there is one.

    With ``averages`` the model may be rival ones, ``A,B,C``, with that or ``mixtures`` one of unseen classes; for
    ``join`` and ``prefix_ids`` see `connectors.feeds.nmtran.several_files`, for ``where``
    `connectors.feeds.nmtran.lines.chosen`.

    Raises:
        CaseError, NmtranError, ModelError: an argument that cannot be used; the message says what to change.
    """
    from connectors.feeds.nmtran.reader import parse_columns
    from connectors.feeds.nmtran.several_files import same_ids
    from twin.modelfile.library import load_model
    from twin.patient.rivals import rivals

    require_files(files)
    if out is not None:
        require_folder(out)
    names = model.split(",") if averages and model is not None and not Path(model).is_file() else [model]
    models = [load_model(name.strip(), mixtures=mixtures or averages) for name in names if name is not None]
    averaged = rivals(models) if len(names) > 1 else None
    same = same_ids(join=options.join, prefix_ids=options.prefix_ids)
    columns, chosen = parse_columns(options.columns), conditions_of(options.where)
    return RecordedCases(models[0] if models else None, columns, options.output, averaged, same, chosen)


def require_folder(out: Path) -> None:
    """Refuse a file where a folder of results is to be.

    Raises:
        CaseError: ``out`` is one.
    """
    if out.exists() and not out.is_dir():
        raise CaseError(f"--out {out} is a file; name a folder")


def conditions_of(where: Sequence[str] | None) -> tuple[Condition, ...]:
    """What records must hold, as ``--where`` says it.

    Raises:
        CaseError: a condition cannot be read.
    """
    from connectors.feeds.nmtran.lines.chosen import ChoiceError, conditions

    try:
        return conditions(where or ())
    except ChoiceError as error:
        raise CaseError(str(error)) from None


def protocols_of(given: list[Path] | None) -> tuple[Protocol, ...]:
    """The protocols of ``--protocols``: files, or folders of them.

    Raises:
        CaseError, ProtocolError: a folder has none, one cannot be used, or two have one id.
    """
    from twin.dosing.live import LiveAdviser
    from twin.dosing.protocol import load_protocol

    try:
        files = protocol_files(given)
    except ValueError as error:
        raise CaseError(str(error)) from None
    found = tuple(load_protocol(path) for path in files)
    LiveAdviser(found)  # refuses two of one id
    return found


class LeftOut:
    """What a command leaves out: said on stderr when it is found, and counted."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, problem: Problem) -> None:
        self._count += 1
        typer.echo(str(problem), err=True)

    def __len__(self) -> int:
        return self._count

    @property
    def exit_code(self) -> int:
        """Of a command that did the rest."""
        return LEFT_OUT if self._count else 0


def cases_in(files: Sequence[Path], how: RecordedCases, report: Report) -> tuple[Case, ...]:
    """`read_cases` with progress and notes on stderr."""
    with progress("reading", "events") as reached:
        return read_cases(files, how, report, lambda text: typer.echo(f"note: {text}", err=True), reached)


def in_words(error: Exception) -> str:
    """An error as it is told: of a file that cannot be used its path, and what the system says of it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}; check the path"
    return str(error)


@contextmanager
def usable_arguments() -> Iterator[None]:
    """What the user has to mend before anything can be done is said in one line, with exit code 2."""
    from connectors.feeds.nmtran.lines.records import NmtranError
    from twin.model.spec import ModelError

    try:
        yield
    except (CaseError, NmtranError, ModelError, OSError) as error:
        typer.echo(f"dosetwin: {in_words(error)}", err=True)
        raise typer.Exit(UNUSABLE) from None


@contextmanager
def ended_plainly(cluster: str | None = None, *, goes_on: bool = False) -> Iterator[None]:
    """SIGTERM and SIGINT end the worker processes, leave the earlier results as they were, and end the command.

    Args:
        cluster: address of a scheduler whose workers do what is spread inside; none: processes of this machine do.
        goes_on: what was done so far is kept, and the same command goes on with it.
    """
    import signal

    from streams.batch.cluster.address import ClusterUnusable
    from streams.batch.cluster.spreading import ClusterLost, on_cluster
    from streams.batch.process_pool import WorkerLost

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with on_cluster(cluster):
            yield
    except KeyboardInterrupt:
        left = "call it again in the same way to go on from here" if goes_on else "nothing was written"
        typer.echo(f"dosetwin: interrupted; {left}", err=True)
        raise typer.Exit(130) from None
    except ClusterUnusable as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(UNUSABLE) from None
    except (WorkerLost, ClusterLost, OSError) as error:
        typer.echo(f"dosetwin: {in_words(error)}", err=True)
        raise typer.Exit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
