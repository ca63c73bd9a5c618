"""``dosetwin trial``: what are the alerts, doses and probabilities of a model's twins worth, on a simulated ward?

Virtual patients are drawn from a true model, which may depart on purpose from the one the twins believe in, and told to
twins as on Kafka; in a trial of doses each is treated once in every arm. Results are ``trial.json`` and a page
``trial.html``. The exit code is 2 when the arguments cannot be used, 3 when a patient could not be followed.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Cluster, Jobs, examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.batch.trial.doses.running import DoseReport
    from streams.batch.trial.running import TrialReport
    from twin.dosing.protocol import Protocol
    from twin.model.spec import Model
    from twin.trial.reliability import Reliability

app = typer.Typer()


class Of(StrEnum):
    """What a trial is of."""

    alerts = "alerts"
    doses = "doses"
    lines = "lines"


@app.command(
    epilog=examples(
        "dosetwin trial docetaxel_ozawa2007 --patients 100 --estimate-hours 6",
        "dosetwin trial docetaxel_ozawa2007 --factor Slope=1.25 --factor MTT=1.1 --tails 4 --missing 0.2",
        "dosetwin trial fluorouracil_yamada2025 --patients 80 --days 14 --count-days 7 --faults 0 --particles 100",
        "dosetwin trial busulfan_shukla2020 --of doses --days 8 --protocol busulfan.toml",
        "dosetwin trial methotrexate_mao2022 --of lines --occasion CL=0.4 --patients 500",
    )
)
def trial(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="id or file of the model that the twins believe in")],
    of: Annotated[
        Of, typer.Option(help="alerts, doses by every arm, or lines of the consensus on methotrexate that are crossed")
    ] = Of.alerts,
    protocol: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="TOML file of what doses are allowed and when levels are drawn (doses)"),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="protocol, published, mode, twin, horizon, known; repeatable, by default all (doses)"),
    ] = None,
    level: Annotated[
        list[float] | None, typer.Option(help="hours from the dose to a level; repeatable, by default 24 (lines)")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="id or file of the true model; by default the same")] = None,
    factor: Annotated[
        list[str] | None, typer.Option(help="NAME=X: the true value of a parameter is X times the model's; repeatable")
    ] = None,
    occasion: Annotated[
        list[str] | None, typer.Option(help="NAME=CV: how a parameter truly varies from course to course; repeatable")
    ] = None,
    tails: Annotated[
        float | None, typer.Option(min=2.1, help="true residuals of counts are Student-t with these degrees of freedom")
    ] = None,
    count_days: Annotated[float, typer.Option(min=0.25, max=30, help="days from one count to the next")] = 1.0,
    missing: Annotated[float, typer.Option(min=0, max=0.95, help="share of the samples that were never taken")] = 0.1,
    late: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="share of counts and levels whose results come 12 to 36 hours late; by default a tenth of the counts",
        ),
    ] = None,
    faults: Annotated[
        float, typer.Option(min=0, max=1, help="share of patients with a planted pump fault (alerts)")
    ] = 0.2,
    patients: Annotated[int, typer.Option(min=1, max=100_000, help="virtual patients")] = 100,
    days: Annotated[float, typer.Option(min=1, max=365, help="that each is watched")] = 42,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same patients")] = 1,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of each twin's cloud")
    ] = 1000,
    estimate_hours: Annotated[
        float | None,
        typer.Option(
            min=0.25, max=48, help="between two estimates; by default as the model file has it, of doses and lines 24"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the results; those of an earlier run are replaced")] = Path(
        "trial"
    ),
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """What are a twin's alerts, doses and probabilities worth? Virtual patients tell, beside what is done without."""
    from dataclasses import replace

    from connectors.reports.trials.alerts import trial_page
    from connectors.reports.trials.doses import dose_trial_page
    from streams.batch.arguments import LEFT_OUT, ended_plainly, require_folder, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.process_pool import prepare, worker_processes
    from streams.batch.trial.doses.lines import require_lines
    from streams.batch.trial.doses.running import run_doses, run_lines
    from streams.batch.trial.doses.treating import DosePlan
    from streams.batch.trial.patients import TrialPlan
    from streams.batch.trial.running import TrialReport, publish, run
    from streams.terminal.progress import progress
    from twin.modelfile.library import load_model
    from twin.trial.population import Departure

    with usable_arguments():
        require_folder(out)
        _check_used(context, of)
        chosen = load_model(model, mixtures=True)
        true = load_model(truth, mixtures=True) if truth else chosen
        _check_pair(chosen, true)
        departure = Departure(_pairs("--factor", factor), _pairs("--occasion", occasion), tails)
        plan = TrialPlan(
            (true.text, true.id),
            departure,
            patients,
            seed,
            days,
            count_days,
            missing,
            faults,
            particles,
            24.0 if estimate_hours is None and of != Of.alerts else estimate_hours,
        )
        if late is not None:
            plan = replace(plan, late=late, late_levels=late)
        departure.of(true)
        levels = tuple(level or [24.0])
        if of == Of.lines:
            try:
                require_lines(true, levels)
            except ValueError as error:
                raise CaseError(str(error)) from None
        if of == Of.doses:
            allowed, arms = _dose_arguments(chosen, true, protocol, arm)
        processes = worker_processes(jobs, patients)
        prepare([chosen], processes)
    found: TrialReport | DoseReport
    with ended_plainly(cluster), usable_arguments(), progress("trial", "patients", patients) as done:
        try:
            if of == Of.alerts:
                found = run(plan, chosen, processes, done)
            elif of == Of.doses:
                found = run_doses(DosePlan(plan, allowed, arms), chosen, processes, done)
            else:
                found = run_lines(plan, levels, chosen, processes, done)
        except ValueError as error:
            raise CaseError(str(error)) from None
        told = trial_page(found) if isinstance(found, TrialReport) else dose_trial_page(found)
        publish(found, told, out)
    for line in lines_of(found) if isinstance(found, TrialReport) else dose_lines(found):
        typer.echo(line)
    for who, why in found.failed:
        typer.echo(f"{who}: {why}", err=True)
    typer.echo(f"page: {out / 'trial.html'}", err=True)
    raise typer.Exit(LEFT_OUT if found.failed else 0)


def dose_lines(found: DoseReport) -> list[str]:
    """The figures of a trial of doses or lines as text."""
    from streams.batch.trial.running import classes_line

    lines = [f"{found.patients} patients{classes_line(found.classes)}"]
    for arm in found.arms:
        for number, cycle in (*enumerate(arm.cycles, start=1), ("all", arm.all_cycles)):
            lines.append(f"{arm.arm}, cycle {number}" if number != "all" else f"{arm.arm}, all cycles")
            lines += [f"  {m.name:55} {m.value:8.3g}   {m.low:.3g} to {m.high:.3g}" for m in cycle]
    for one in found.discriminations:
        auc = one.auc
        lines.append(
            f"{one.what}: {one.events} of {one.patients}, area under the curve {auc.value:.3f} "
            f"({auc.low:.3f} to {auc.high:.3f})"
        )
    return [*lines, *_reliability_lines(found.reliability)]


def lines_of(found: TrialReport) -> list[str]:
    """The figures as text."""
    from streams.batch.trial.running import classes_line
    from twin.trial.pump_faults import spread

    lines = [f"{found.patients} patients, {found.patient_days:g} patient-days{classes_line(found.classes)}"]
    for one in found.worths:
        lines.append(f"{one.name}: {one.events} events, {one.claims} alerts")
        lines += [f"  {m.name:30} {m.value:8.3g}   {m.low:.3g} to {m.high:.3g}" for m in one.measures]
    lines += _reliability_lines(found.reliability)
    for fault in found.faults:
        least, middle, most = spread(fault.minutes)
        took = f", after {least:.3g} to {most:.3g} min of event time (median {middle:.3g})" if fault.minutes else ""
        lines.append(f"pump fault {fault.fault}: {fault.found} of {fault.planted} found{took}")
    planned = found.planned
    false = sum(count for _, count in planned.false_alerts)
    ran = f"{planned.patient_days:g} patient-days, on {planned.running_days:.4g} of which a pump ran"
    lines.append(f"pumps as planned: {false} delivery alerts in {ran}")
    return lines


def _reliability_lines(found: Sequence[Reliability]) -> list[str]:
    lines = []
    for each in found:
        outside = [f"{100 * b.stated:.0f} % came {100 * b.came:.0f} %" for b in each.bins if not b.held]
        verdict = "within its band" if each.held else f"OUTSIDE its band ({'; '.join(outside)})"
        lines.append(f"{each.what}: {verdict}, Brier {each.brier:.3f}")
    return lines


def _dose_arguments(
    model: Model, truth: Model, protocol: Path | None, arm: Sequence[str] | None
) -> tuple[Protocol, tuple[str, ...]]:
    """The protocol and the arms of a trial of doses.

    Raises:
        CaseError: no such arm, an exposure that is not of a whole course, or a true model that asks another question.
        ProtocolError: the protocol does not fit the model.
    """
    from dataclasses import replace

    from streams.batch.cases import CaseError
    from twin.dosing.protocol import load_protocol, usual_protocol
    from twin.trial.doses.arms import ARMS, OF_ONE_CLASS
    from twin.trial.doses.rival import judged_alike

    without = () if model.mixture is None else OF_ONE_CLASS
    chosen = tuple(dict.fromkeys(arm or (one for one in ARMS if one not in without)))
    for name in chosen:
        if name not in ARMS:
            raise CaseError(f"--arm {name}: there is no such arm; name some of {', '.join(ARMS)}")
        if name in without:
            said = f"it chooses for one most probable patient, and {model.id} has one in each of its classes"
            raise CaseError(f"--arm {name}: {said}; leave it out")
    allowed = usual_protocol(model) if protocol is None else load_protocol(protocol).checked(model)
    target = allowed.target_of(model)
    if target is not None and target.measure != "course":
        raise CaseError(
            f"--of doses: {target.name} is no exposure of a whole course; name one in the protocol's [target]"
        )
    try:
        judged_alike(allowed, model, truth)
    except ValueError as problem:
        raise CaseError(f"--truth {truth.id}: {problem}") from None
    # The truth may have other targets of the drug, and another of them first.
    return allowed if target is None else replace(allowed, target=target.name), chosen


UNUSED = {
    Of.alerts: ("protocol", "arm", "level"),
    Of.doses: ("level", "faults"),
    Of.lines: ("protocol", "arm", "count_days", "missing", "late", "faults"),
}
"""Options that a trial of each kind makes no use of."""


def _check_used(context: typer.Context, of: Of) -> None:
    """No option was given that would change nothing.

    Raises:
        CaseError: one was.
    """
    from streams.batch.cases import CaseError

    for name in UNUSED[of]:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise CaseError(f"--{name.replace('_', '-')}: a trial of {of} makes no use of it; leave it out")


def _check_pair(model: Model, truth: Model) -> None:
    """What is measured and known of the true patients must mean something to the twin's model."""
    from streams.batch.cases import CaseError

    for what, believed, real in (
        ("covariates", {c.name for c in model.covariates}, {c.name for c in truth.reported}),
        ("drugs", set(model.drugs), set(truth.drugs)),
    ):
        if not real <= believed:
            strange = ", ".join(sorted(real - believed))
            raise CaseError(f"--truth {truth.id} has {what} {strange}, which {model.id} has not")
    outputs = {output.name for output in truth.outputs}
    for toxicity in model.toxicities:
        if toxicity.output not in outputs:
            raise CaseError(f"--truth {truth.id} has no output {toxicity.output}, which {model.id} warns of")


def _pairs(option: str, given: list[str] | None) -> tuple[tuple[str, float], ...]:
    """``NAME=NUMBER`` as pairs.

    Raises:
        CaseError: it is none.
    """
    from streams.batch.cases import CaseError

    found = []
    for text in given or []:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not name or not 0 < value < float("inf"):
            raise CaseError(f"{option} {text}: write NAME=NUMBER, the number above 0, as Slope=1.25")
        found.append((name, value))
    return tuple(found)
