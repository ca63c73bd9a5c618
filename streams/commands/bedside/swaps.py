"""``dosetwin swaps``: samples of two patients that likely bear each other's names.

Which patients' twins share a process says nothing, so this is told by no twin: what all twins predicted of the values
that were measured is read from Kafka, or from a replay's file, and compared. Nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

if TYPE_CHECKING:
    from twin.alerts.swapped import Swap
    from twin.events import Prediction

app = typer.Typer()


@app.command(epilog=examples("dosetwin swaps", "dosetwin swaps out/predictions.ndjson --within 2 --json"))
def swaps(
    files: Annotated[list[Path] | None, typer.Argument(help="predictions.ndjson of a replay")] = None,
    within: Annotated[float, typer.Option("--within", min=0.0, max=168.0, help="hours between the two drawings")] = 4.0,
    likely: Annotated[float, typer.Option("--likely", help="least probability, between 0 and 1")] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object a line")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Name samples that surprise at their own patient and fit at the other's: exchanged tubes or labels."""
    import json
    import sys
    from datetime import timedelta

    from connectors.alerts.predictions import predictions_kept
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings
    from twin.alerts.swapped import swaps as exchanged

    try:
        said = _in_files(files) if files else predictions_kept(load_settings(kafka=kafka, topic_prefix=prefix))
        found = exchanged(said, within=timedelta(hours=within), likely=likely)
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for swap in found:
        typer.echo(json.dumps(_values(swap)) if as_json else "\n".join(_lines(swap)))
    print(f"{len(found) or 'no'} pairs among {len(said)} values", file=sys.stderr)


def _in_files(files: list[Path]) -> list[Prediction]:
    from connectors.alerts.predictions import standing
    from twin.events import decode_output

    said = []
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                said += [decode_output(line)] if line.strip() else []
            except ValueError as error:
                raise ValueError(f"{file} line {number}: {error}") from None
    return standing(said)


def _values(swap: Swap) -> dict[str, object]:
    sides = (swap.first, swap.second)
    return {
        "probability": round(swap.probability, 4),
        "log10_bf": round(swap.log10_bf, 2),
        "among": swap.among,
        "samples": [
            {
                "patient_id": side.patient_id,
                "time": side.predictions[0].time.isoformat(),
                "values": {
                    one.output: {
                        "unit": one.unit, "observed": one.observed, "q05": one.q05, "median": one.median, "q95": one.q95
                    }
                    for one in side.predictions
                    if one.output in swap.outputs
                },
            }
            for side in sides
        ],
    }  # fmt: skip


def _lines(swap: Swap) -> list[str]:
    from twin.writing import number
    from twin.writing import unit as written

    one, other = swap.first, swap.second
    odds = "over 0.99" if swap.probability > 0.99 else f"{swap.probability:.2f}"
    lines = [f"{one.patient_id} and {other.patient_id}: exchanged with probability {odds}"]
    for side in (one, other):
        for p in side.predictions:
            if p.output in swap.outputs:
                value = f"{number(p.observed)} {written(p.unit)}".rstrip()
                expected = f"{number(p.median)} ({number(p.q05)} to {number(p.q95)})"
                lines.append(f"    {p.time.isoformat()} {side.patient_id} {p.output} {value}; {expected} was expected")
    return [*lines, "    Look at the tubes, their labels and the order; correct or retract what is wrong."]
