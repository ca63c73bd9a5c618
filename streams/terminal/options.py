"""Options that the commands of the running system share. Nothing heavy is imported: help is quick."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer


def examples(*lines: str) -> str:
    """What stands under a command's help; each line is a command as it is typed."""
    return "\n\n".join(["Examples:", *lines])


Kafka = Annotated[str | None, typer.Option("--kafka", help="bootstrap servers; by default DOSETWIN_KAFKA")]
Prefix = Annotated[str | None, typer.Option("--prefix", help="of every topic; by default DOSETWIN_TOPIC_PREFIX")]

MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port", min=0, max=65535, help="serve /metrics, /healthz and /readyz there (0: any free port)"
    ),
]
MetricsHost = Annotated[
    str,
    typer.Option(
        "--metrics-host", envvar="DOSETWIN_METRICS_HOST", help="address to serve them on; by default only this machine"
    ),
]

Certificate = Annotated[
    Path | None, typer.Option("--certificate", exists=True, dir_okay=False, help="for TLS, PEM with its chain")
]
PrivateKey = Annotated[Path | None, typer.Option("--key", exists=True, dir_okay=False, help="of the certificate, PEM")]

Clinical = Annotated[
    Path | None,
    typer.Option(
        "--clinical",
        envvar="DOSETWIN_CLINICAL",
        help="clinical mode: only models that a reviewer released in this folder ('dosetwin models sign')",
    ),
]

Passphrase = Annotated[
    str | None,
    typer.Option(envvar="DOSETWIN_SIGNING_PASSPHRASE", help="of the reviewer's key; asked for where it is not said"),
]


def asked_passphrase(said: str | None, *, twice: bool = False) -> str:
    """The passphrase that was said, else the one that is typed now, unseen; ``twice`` where it is a new one.

    Raises:
        typer.Abort: nobody is there to type it.
    """
    if said is not None:
        return said
    if not sys.stdin.isatty():
        typer.echo("Passphrase: say it in DOSETWIN_SIGNING_PASSPHRASE where nobody types it", err=True)
        raise typer.Abort
    typed: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    return typed


Jobs = Annotated[int | None, typer.Option(min=1, help="processes; by default one a core (the results are the same)")]

Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        envvar="DOSETWIN_CLUSTER",
        metavar="ADDRESS",
        help="spread the work over a cluster of Dask, as tls://host:8786 (the results are the same)",
    ),
]

Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        envvar="DOSETWIN_RULES",
        help="TOML of thresholds that are others here; 'dosetwin rules show' has all",
    ),
]

Columns = Annotated[str, typer.Option("--columns", help="names in the CSV, as TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC")]
Output = Annotated[str | None, typer.Option("--output", help="what DV is, where the CSV has no DVID")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="read only records of the CSV that hold this, as SET=3 or STUDY!=2; repeatable"),
]
Join = Annotated[bool, typer.Option("--join", help="one id in several files is one patient")]
PrefixIds = Annotated[bool, typer.Option("--prefix-ids", help="begin every patient's id with the name of its file")]


class ReadingOptions(NamedTuple):
    """How recorded files are read, as a set of options (`streams.terminal.option_sets`)."""

    columns: Columns = ""
    output: Output = None
    join: Join = False
    prefix_ids: PrefixIds = False
    where: Where = None


Fix = Annotated[str, typer.Option("--fix", help="numbers that stay as they are, as CL,omega.CL,error.plasma.additive")]

Protocols = Annotated[
    list[Path] | None,
    typer.Option(
        "--protocols",
        envvar="DOSETWIN_PROTOCOLS",
        help="TOML file of what may be advised of a drug, or a folder of such files; repeatable",
    ),
]


def protocol_files(given: list[Path] | None) -> tuple[Path, ...]:
    """The files named, and those of the folders named, in order; raises `ValueError` for a folder without any."""
    found: list[Path] = []
    for path in given or ():
        inside = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"--protocols {path}: the folder holds no .toml file; name one that does, or a file")
        found += inside
    return tuple(found)


def genotype_pair(text: str) -> tuple[str, str]:
    """Gene and value of ``--genotype``; raises `ValueError` where there are not both."""
    gene, _, value = text.partition("=")
    if not gene or not value:
        raise ValueError(f"--genotype {text!r}: write gene and value, as DPYD=1.5")
    return gene, value


MEMORY = Path(".dosetwin/sources")
"""Where ways in remember, if they are not told otherwise."""

Remembered = Annotated[Path, typer.Option("--memory", file_okay=False, help="folder of what each source told before")]


class LogLevel(StrEnum):
    """From which level on lines are shown."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """For people, or one JSON object a line for machines."""

    TEXT = "text"
    JSON = "json"


Level = Annotated[LogLevel, typer.Option("--log-level", case_sensitive=False, help="show lines from this level on")]
Format = Annotated[
    LogFormat,
    typer.Option("--log-format", case_sensitive=False, envvar="DOSETWIN_LOG_FORMAT", help="of lines on stderr"),
]


class RunningOptions(NamedTuple):
    """What runs until a signal is given, as a set of options (`streams.terminal.option_sets`)."""

    kafka: Kafka = None
    prefix: Prefix = None
    metrics_port: MetricsPort = None
    metrics_host: MetricsHost = "127.0.0.1"
    log_level: Level = LogLevel.INFO
    log_format: Format = LogFormat.TEXT

    @property
    def metrics(self) -> tuple[int | None, str]:
        """Port and address of the page for machines."""
        return self.metrics_port, self.metrics_host
