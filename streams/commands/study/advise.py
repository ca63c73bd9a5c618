"""``dosetwin advise``: the next dose or the rate now with the odds of every alternative, from a record, no server.

What cannot be used of the record is reported on stderr while the rest goes on; the exit code is then 3. Arguments that
cannot be used end the command with exit code 2. Nothing is sent anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import ReadingOptions, examples, genotype_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.batch.cases import Case
    from twin.dosing.protocol import Protocol
    from twin.dosing.published import Spoken
    from twin.model.spec import Model
    from twin.patient.averaged import AveragedTwin
    from twin.patient.twin import PatientTwin

app = typer.Typer()


@app.command(
    epilog=examples(
        "dosetwin advise counts.csv --model docetaxel_ozawa2007 --protocol ward.toml",
        "dosetwin advise events.ndjson --patient P-0017 --branch 'skip docetaxel' --branch 'delay all 7 d'",
    )
)
@with_sets
def advise(
    files: Annotated[list[Path], typer.Argument(help="NDJSON events or NM-TRAN style CSV", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(help="id or path, or rival ones to be averaged, A,B,C; without it the enrolments decide"),
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option(dir_okay=False, help="TOML file of what is allowed; without it that is assumed")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="of this patient alone")] = None,
    at: Annotated[
        str | None, typer.Option(help="event time to advise at, with its offset; by default that of the newest event")
    ] = None,
    branch: Annotated[
        list[str] | None, typer.Option(help="a what-if beside it, in words: 'delay docetaxel 7 d'; may be repeated")
    ] = None,
    genotype: Annotated[
        list[str] | None, typer.Option(help="known of the patient, as DPYD=1.5 or TPMT=intermediate; may be repeated")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=2, max=12, help="also plan so many courses ahead, the later doses by the samples")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, help="file for a figure of the odds, of one patient")
    ] = None,
    *,
    read_by: ReadingOptions,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of the twin's cloud")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object for each patient, a line each")] = False,
) -> None:
    """Advise on the next dose, or the rate now, with the odds of every alternative; for research, nothing is sent."""
    import json
    from dataclasses import asdict

    from streams.batch.arguments import LeftOut, cases_in, reading, usable_arguments
    from streams.batch.cases import CaseError
    from twin.dosing.advice import advise as advise_on_twin
    from twin.dosing.horizon.plan import plan_ahead
    from twin.dosing.horizon.telling import horizon_lines, horizon_values
    from twin.dosing.protocol import load_protocol, usual_protocol
    from twin.dosing.published import beside, daily
    from twin.dosing.rescue.methotrexate import rescue
    from twin.dosing.sampling import next_sample
    from twin.dosing.telling import advice_figure, advice_lines, advice_values, branch_lines, sample_lines
    from twin.dosing.whatif import what_if

    left_out = LeftOut()
    with usable_arguments():
        allowed = None if protocol is None else load_protocol(protocol)
        now = None if at is None else _millis(at)
        how = reading(model, files, read_by, averages=True)
        cases = [one for one in cases_in(files, how, left_out) if patient in (None, one.patient_id)]
        if not cases:
            raise CaseError(f"--patient {patient}: the files hold nothing of this patient; name one that they do")
        if plot is not None and len(cases) > 1:
            raise CaseError(f"--plot {plot}: {len(cases)} patients; name one with --patient")
        for case in cases:
            twin = _twin_of(case, particles, now)
            try:
                known = dict(genotype_pair(one) for one in genotype or ())
                spoken = (*rescue(twin, now), *daily(case.model.drug, known))
                within = _protocol_of(case.model, allowed)
                if within is None and spoken:
                    typer.echo(_spoken_alone(case, spoken, as_json=as_json))
                    continue
                within = within or usual_protocol(case.model)
                advice = advise_on_twin(twin, now, within)
                published = beside(twin, advice, known)
                sample = next_sample(twin, now, within) if case.rivals is None else None
                branches = what_if(twin, branch or (), now)
                ahead = None if horizon is None else plan_ahead(twin, now, within, horizon)
            except ValueError as error:
                raise CaseError(f"{case.patient_id}: {error}") from None
            if as_json:
                rules = {"published": [asdict(one) for one in published], "spoken": [asdict(one) for one in spoken]}
                further = {} if ahead is None else {"horizon": horizon_values(ahead)}
                typer.echo(json.dumps({**advice_values(advice), **rules, **further}))
            else:
                lines = [*advice_lines(advice), "", *(sample_lines(sample) if case.rivals is None else ())]
                lines += [f"published rule {one.rule}: {one.compared} ({one.source})" for one in published]
                lines += [f"published rule {one.rule}: {one.said} ({one.source})" for one in spoken]
                lines += [] if ahead is None else ["", *horizon_lines(ahead)]
                typer.echo("\n".join([*lines, "", *branch_lines(branches), ""] if branch else [*lines, ""]))
            if plot is not None:
                advice_figure(advice).savefig(plot)
    raise typer.Exit(left_out.exit_code)


def _protocol_of(model: Model, allowed: Protocol | None) -> Protocol | None:
    """The protocol; none where none is given and the model has nothing that a dose could be chosen for."""
    from twin.dosing.protocol import ProtocolError, usual_protocol

    if allowed is not None:
        return allowed
    try:
        return usual_protocol(model)
    except ProtocolError:
        return None


def _spoken_alone(case: Case, spoken: Sequence[Spoken], *, as_json: bool) -> str:
    """What published rules say where no dose is advised, as the model has nothing that one could be chosen for."""
    import json
    from dataclasses import asdict

    if as_json:
        return json.dumps({"patient_id": case.patient_id, "spoken": [asdict(one) for one in spoken]})
    lines = [f"{case.patient_id}: no dose is advised, as {case.model.id} has nothing that one could be chosen for"]
    return "\n".join([*lines, *(f"published rule {one.rule}: {one.said} ({one.source})" for one in spoken), ""])


def _millis(text: str) -> int:
    """An event time as ms.

    Raises:
        CaseError: it is none, or has no offset.
    """
    from datetime import datetime

    from streams.batch.cases import CaseError
    from twin.events import to_millis

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise CaseError(f"--at {text!r} is no time with its offset; write it as 2026-03-02T09:00:00+00:00")
    return to_millis(time)


def _twin_of(case: Case, particles: int, now: int | None) -> PatientTwin | AveragedTwin:
    """The twin of a record as far as ``now`` (ms)."""
    from twin.events import decode
    from twin.patient.averaged import begun_twin

    twin = begun_twin(case.patient_id, case.models, particles)
    twin.observe([decode(one.raw) for one in case.recorded if now is None or one.millis <= now])
    return twin
