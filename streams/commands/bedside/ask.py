"""``dosetwin ask PATIENT``: what should be given next? The worker that has the patient's twin answers.

Exit code 3 where there is no advice: the reason is on stderr. 4 where no answer came in time; the request stands.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.terminal.options import Kafka, Prefix, examples, genotype_pair

if TYPE_CHECKING:
    from twin.events import Advice, WhatIf

app = typer.Typer()

_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]

NO_ADVICE, NO_ANSWER = 3, 4


@app.command(
    epilog=examples(
        "dosetwin ask P-0017 --by physician-3 --reason 'dose of the second cycle'",
        "dosetwin ask P-0017 --by physician-3 --drug docetaxel --protocol docetaxel_q3w --json",
        "dosetwin ask P-0017 --by physician-3 --genotype DPYD=1.5 --branch 'skip fluorouracil'",
        "dosetwin ask P-0017 --by physician-3 --what-if --branch 'delay docetaxel 7 d'",
        "dosetwin ask P-0017 --by physician-3 --wait 0",
    )
)
def ask(
    patient: Annotated[str, typer.Argument(help="pseudonym of the patient")],
    by: Annotated[str, typer.Option("--by", help="who you are, by pseudonym")],
    reason: Annotated[str, typer.Option("--reason", help="what for")] = "",
    drug: Annotated[str | None, typer.Option("--drug", help="by default the drug under study")] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="id of a protocol of the worker; by default that of the order")
    ] = None,
    genotype: Annotated[
        list[str] | None, typer.Option(help="known of the patient, as DPYD=1.5 or TPMT=intermediate; may be repeated")
    ] = None,
    branch: Annotated[
        list[str] | None, typer.Option(help="a what-if beside it, in words: 'delay docetaxel 7 d'; may be repeated")
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="ask for the what-ifs alone: answered at once, and no dose is advised")
    ] = False,
    time: Annotated[
        datetime | None, typer.Option("--time", formats=_FORMATS, help="when, for a ward of another time than now")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, max=3600, help="seconds to wait; 0: only send it")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="the advice event as it is")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Ask a patient's twin what to give next, or at which rate now; for research, a person decides."""
    from datetime import UTC

    from connectors.advice.asking import ask as ask_worker
    from connectors.advice.asking import request_of
    from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
    from connectors.settings import SettingsError, load_settings
    from twin.events import Rejected
    from twin.names import shown

    now = time or datetime.now(UTC)
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        known = [genotype_pair(one) for one in genotype or ()]
        asks: Literal["dose", "what_if"] = "what_if" if what_if else "dose"
        request = request_of(patient, by, now, "dosetwin ask", reason, drug, protocol, known, branch or (), asks)
        answer = ask_worker(settings, request, wait)
    except (SettingsError, KafkaUnreachable, NotConfirmed) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if answer is None:
        when = f"no answer within {wait:g} s; " if wait else ""
        typer.echo(f"{patient}: {when}request {request.event_id} is sent; the answer comes on twin.advice", err=True)
        raise typer.Exit(NO_ANSWER if wait else 0)
    if isinstance(answer, Rejected):
        typer.echo(f"{patient}: {answer.reason}: {shown(answer.detail)}", err=True)
        raise typer.Exit(NO_ADVICE)
    if as_json:
        typer.echo(answer.model_dump_json(exclude_none=True))
    else:
        typer.echo("\n".join(advice_lines(answer)))
    raise typer.Exit(0 if answer.outcome in ("advised", "foreseen") else NO_ADVICE)


def advice_lines(advice: Advice) -> list[str]:
    """An answer for people: what is advised and why, the odds of every way, and what stands beside it."""
    from twin.writing import number

    beside = [f"published rule {one.rule}: {one.words} ({one.source})" for one in advice.spoken]
    beside += [f"what if, {one.words}: {_branch(one)}" for one in advice.branches]
    head = f"{advice.patient_id}, {advice.time.isoformat()}: {advice.drug}"
    if advice.outcome == "foreseen":
        return [head, *beside, "For research: a person decides, and nothing of this is sent to a device."]
    if advice.outcome != "advised":
        return [f"{head}: no advice", advice.reason, *beside]
    lines = [
        f"{head}, {advice.decision} ({advice.model}, protocol {advice.protocol} {advice.protocol_hash})",
        advice.reason,
        *([f"note: {advice.note}"] if advice.note else []),
        "",
    ]
    for way in advice.alternatives:
        odds = [f"P({one.target} in its window) {one.within:.1%} ± {one.within_se:.1%}" for one in way.exposures]
        odds += [
            f"P({one.toxicity}) {one.p:.1%} ± {one.se:.1%}" + (" !" if one.p > (one.limit or 1.0) else "")
            for one in way.toxicities
        ]
        later = f", {way.delay_hours / 24:g} d later" if way.delay_hours else ""
        amount = f"{number(way.amount_mg, 4)} mg ({way.of_plan:.0%}{later}{'' if way.allowed else ', not allowed'})"
        lines.append("; ".join([f"{way.name:>8}: {amount}", *odds]))
    lines += [f"published rule {one.rule}: {one.compared} ({one.source})" for one in advice.published]
    if advice.next_sample is not None:
        sample = advice.next_sample
        lines.append(f"next sample: {sample.output} at {sample.time.isoformat(timespec='minutes')}")
    return [*lines, *beside, "For research: a person decides, and nothing of this is sent to a device."]


def _branch(one: WhatIf) -> str:
    """A what-if in a line: its odds."""
    if one.problem is not None:
        return one.problem
    odds = [f"P({harm.toxicity}) {harm.p:.1%} ± {harm.se:.1%}" for harm in one.toxicities]
    return "; ".join(odds) or "the model names no toxicity"
