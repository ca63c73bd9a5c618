"""``dosetwin covariates``: which characteristics of patients explain how they differ, found from their records.

``stepwise`` adds relations while the likelihood bears them out, and then leaves out again what does not hold by a
stricter rule, as PsN's ``scm`` does. ``frem`` selects nothing: covariates stand beside random effects in one Omega, and
coefficients follow from that. ``trees`` lets boosted trees propose and the likelihood decide. ``learn`` lets a small
network shift typical values, where patients left out are predicted better for it. The covariates looked at are those
that the model file declares; columns of the data are read for these. What cannot be used is reported on
stderr with its line and reason while the rest goes on; the exit code is then 3, and 1 where the last fit did not
converge. The last line on stderr is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Fix, Jobs, ReadingOptions, examples

if TYPE_CHECKING:
    from streams.batch.arguments import LeftOut
    from streams.batch.covariates.asked import Asked
    from streams.batch.population.fit import Fit
    from twin.covariates.stepwise import Way
    from twin.population.objective import Method

app = typer.Typer(
    name="covariates",
    no_args_is_help=True,
    help="Characteristics of patients that explain how they differ: stepwise, all at once, seen by trees, or learnt.",
)

NOT_CONVERGED = 1
"""Exit code of a search whose last fit did not end at a minimum."""


class MethodOption(StrEnum):
    """The objective that tests are of."""

    FOCEI = "focei"
    FOCE = "foce"
    FO = "fo"
    LAPLACE = "laplace"


class DirectionOption(StrEnum):
    """Which ways a search goes."""

    BOTH = "both"
    FORWARD = "forward"
    BACKWARD = "backward"


Files = Annotated[list[Path], typer.Argument(help="NM-TRAN style CSV or NDJSON events", show_default=False)]
ModelOption = Annotated[str, typer.Option("--model", help="id or path: the model that effects are added to")]
Out = Annotated[Path, typer.Option(help="folder of the results; an interrupted search in it goes on")]
Categorical = Annotated[
    str,
    typer.Option(help="covariates that are categories, as SEX,RACE; those with levels in the model file are anyway"),
]
Name = Annotated[str | None, typer.Option(help="id of the model that is written; by default the model's and a word")]


class Given(NamedTuple):
    """What every search is given."""

    files: Files
    model: ModelOption
    out: Out
    fix: Fix = ""
    name: Name = None
    read_by: ReadingOptions = ReadingOptions()


def _asked(given: Given, ending: str, categorical: str, left_out: LeftOut) -> Asked:
    """Patients and model of a search."""
    from streams.batch.covariates.asked import asked

    it = given
    return asked(it.files, it.model, it.read_by, it.out, it.name, ending, it.fix, categorical, left_out)


@contextmanager
def _arguments(out: Path) -> Iterator[None]:
    """What cannot be asked of the data ends the command, with the mend; then the folder of the results is there."""
    from streams.batch.arguments import usable_arguments

    with usable_arguments(), _in_words():
        yield
        out.mkdir(parents=True, exist_ok=True)


@contextmanager
def _search(cluster: str | None = None) -> Iterator[None]:
    """What cannot be found ends the command, with the mend; a core a process, for results that are the same."""
    from threadpoolctl import threadpool_limits

    from streams.batch.arguments import ended_plainly, usable_arguments

    with ended_plainly(cluster, goes_on=True), usable_arguments(), _in_words(), threadpool_limits(1):
        yield


@contextmanager
def _in_words() -> Iterator[None]:
    from streams.batch.cases import CaseError
    from twin.covariates.characteristics import CovariateError
    from twin.population.theta import FitError

    try:
        yield
    except (FitError, CovariateError) as error:
        raise CaseError(str(error)) from None


def _write_fit(found: Fit, of: Asked, out: Path) -> None:
    """The fit that a search ended with, as ``dosetwin fit`` leaves one."""
    from streams.batch.population.fit import as_json, written

    (out / f"{of.name}.toml").write_text(written(found, of.data.hash, of.name).text)
    (out / "fit.json").write_text(as_json(found, of.data, of.name))


def _ended(
    of: Asked, found: Fit, problems: Iterable[str], own: dict[str, object], left_out: LeftOut, out: Path
) -> typer.Exit:
    """Say on stderr what was a problem, and as the last line what came of it, with what a command has of its ``own``;
    how the command ends."""
    import json

    for problem in problems:
        typer.echo(f"note: {problem}", err=True)
    summary = {
        "patients": len(of.cases),
        **own,
        "minus_2_log_likelihood": [round(found.exact.minus_2_log, 3), round(found.exact.error, 3)],
        "converged": found.converged,
        "left_out": len(left_out),
        "out": str(out),
    }
    typer.echo(json.dumps(summary), err=True)
    return typer.Exit(left_out.exit_code if found.converged else NOT_CONVERGED)


@app.command(
    epilog=examples(
        "dosetwin covariates stepwise levels.csv --model base.toml --out searched",
        "dosetwin covariates stepwise levels.csv --model base.toml --pairs CL:WT,V:WT --shapes power --out searched",
        "dosetwin covariates stepwise levels.csv --model base.toml --categorical SEX --include CL:WT=power --out there",
    )
)
@with_sets
def stepwise(
    given: Given,
    pairs: Annotated[
        str, typer.Option(help="PARAMETER:COVARIATE, as CL:WT,V:WT=power; by default all that can be")
    ] = "",
    shapes: Annotated[
        str, typer.Option(help="of pairs without one: linear, hockey-stick, exponential, power")
    ] = "linear,hockey-stick",
    include: Annotated[str, typer.Option(help="relations to begin with, as CL:WT=linear")] = "",
    categorical: Categorical = "",
    direction: Annotated[DirectionOption, typer.Option(help="which ways the search goes")] = DirectionOption.BOTH,
    p_forward: Annotated[float, typer.Option(min=1e-12, max=1.0, help="p below which a relation is added")] = 0.05,
    p_backward: Annotated[float, typer.Option(min=1e-12, max=1.0, help="p above which one is left out again")] = 0.01,
    method: Annotated[MethodOption, typer.Option(help="the objective that tests are of")] = MethodOption.FOCEI,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Add relations one by one while they are significant, then leave out again what a stricter rule does not keep."""
    from streams.batch.arguments import LeftOut
    from streams.batch.covariates.candidates import Candidates, at_bounds
    from streams.batch.covariates.scope import included, scope_of, shapes_of
    from streams.batch.covariates.steps import as_json, how_found, lines_of, model_of, problems_of
    from streams.batch.population.fit import fit as fit_cohort
    from streams.batch.population.patients import cohort_of, timelines_of
    from twin.covariates.stepwise import found as ended_with
    from twin.covariates.stepwise import stepwise as search
    from twin.population.theta import Theta

    left_out, out = LeftOut(), given.out
    chosen: Method = method.value
    with _arguments(out):
        of = _asked(given, "covariates", categorical, left_out)
        begun = included(include, of.model, of.described)
        scope = scope_of(pairs, shapes_of(shapes), of.model, of.described)

    def told(done: int, wanted: int) -> None:
        typer.echo(f"fitted {done} of {wanted}", err=True)

    kept_at = out / "fits.ndjson"
    candidates = Candidates(of.model, of.described, of.cases, chosen, of.fixed, jobs, kept_at, of.data, told)
    ways = cast("list[Way]", ["forward", "backward"] if direction is DirectionOption.BOTH else [direction.value])
    levels = (p_forward, p_backward)
    steps = []
    with _search(cluster):
        for step in search(candidates, begun, scope, ways, *levels):
            steps.append(step)
            for line in lines_of(step):
                typer.echo(line)
        ended = ended_with(steps[-1])
        final = model_of(ended, candidates, how_found(steps, candidates, levels), of.name)
        theta = Theta.of(final, (*of.fixed, *at_bounds(ended, of.described)))
        cohort = cohort_of(timelines_of(of.cases, final, lambda _: None), theta)
        found = fit_cohort(cohort, chosen, lambda *_: None)
        _write_fit(found, of, out)
        (out / "steps.json").write_text(as_json(steps, candidates, levels))
    own = {
        "fits": sum(len(step.tests) for step in steps) + 1,
        "steps": len(steps),
        "relations": [str(relation) for relation in ended.relations],
        "objective": [round(steps[0].base.objective, 4), round(ended.objective, 4)],
    }
    raise _ended(of, found, (*found.problems, *problems_of(ended, of.described)), own, left_out, out)


class FremMethodOption(StrEnum):
    """What is made small."""

    FOCEI = "focei"
    FOCE = "foce"
    FO = "fo"
    LAPLACE = "laplace"
    IMP = "imp"


@app.command(
    epilog=examples(
        "dosetwin covariates frem levels.csv --model base.toml --covariates WT,AGE,SEX --out full",
        "dosetwin covariates frem levels.csv --model base.toml --covariates WT --parameters CL --method imp --out full",
    )
)
@with_sets
def frem(
    given: Given,
    covariates: Annotated[str, typer.Option(help="covariates that stay, as WT,AGE,SEX")],
    parameters: Annotated[
        str, typer.Option(help="parameters, as CL,V; by default all with log-normal or normal effects")
    ] = "",
    method: Annotated[FremMethodOption, typer.Option(help="as of dosetwin fit")] = FremMethodOption.FOCEI,
) -> None:
    """Full random effects model: all covariates at once, in one Omega with the effects, and what follows from it."""
    from streams.batch.arguments import LeftOut
    from streams.batch.cases import CaseError
    from streams.batch.covariates.asked import with_covariates, words
    from streams.batch.covariates.full import as_json, effects_of, fitted, full_of, lines_of
    from streams.terminal.progress import said_moved
    from twin.covariates.characteristics import known

    left_out, out = LeftOut(), given.out
    with _arguments(out):
        of = _asked(given, "frem", "", left_out)
        wanted = words(covariates)
        unknown = [each for each in wanted if each not in of.described]
        if unknown or not wanted:
            raise CaseError(
                f"--covariates {covariates!r}: covariates of {of.model.id} are wanted; {known(of.described, of.model)}"
            )
        of = with_covariates(of, wanted, left_out)
        full = full_of(of, words(parameters), wanted)
    search = out / "search.json"

    with _search():
        found = fitted(of, full, method.value, said_moved, search)
        effects = effects_of(found, full)
        _write_fit(found, of, out)
        (out / "frem.json").write_text(as_json(effects, found, of))
        search.unlink(missing_ok=True)
    for line in lines_of(effects, full.model):
        typer.echo(line)
    raise _ended(of, found, found.problems, {"objective": round(found.evaluation.total, 4)}, left_out, out)


@app.command(
    epilog=examples(
        "dosetwin covariates trees levels.csv --model base.toml --out seen",
        "dosetwin covariates trees levels.csv --model base.toml --shapes linear,power --permutations 199 --out seen",
    )
)
@with_sets
def trees(
    given: Given,
    shapes: Annotated[
        str, typer.Option(help="in which a pair is tried: linear, hockey-stick, exponential, power")
    ] = "linear",
    categorical: Categorical = "",
    permutations: Annotated[
        int,
        typer.Option(min=19, max=9999, help="data sets with the covariates dealt out anew, that say what chance does"),
    ] = 99,
    false_finds: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="share of data sets without any effect that may get a proposal")
    ] = 0.05,
    p_taken: Annotated[
        float, typer.Option("--p", min=1e-12, max=1.0, help="p below which the likelihood takes a proposal")
    ] = 0.01,
) -> None:
    """Let boosted trees propose pairs, of whatever shape, and the likelihood decide of each."""
    from streams.batch.arguments import LeftOut
    from streams.batch.covariates.proposed import as_json, decided, differing, line_of, lines_of, proposed, standing
    from streams.batch.covariates.scope import shapes_of
    from streams.terminal.progress import progress, said_moved
    from twin.covariates.trees import check_asked

    left_out, out = LeftOut(), given.out
    with _arguments(out):
        kept_shapes = shapes_of(shapes)
        of = _asked(given, "trees", categorical, left_out)
        check_asked(len(of.timelines), permutations, false_finds)
        differing(of)
    search = out / "search.json"

    with _search():
        base = standing(of, (), None, said_moved, search)
        with progress("permutations", "data sets", permutations) as done:
            found = proposed(of, base, permutations, false_finds, done)
        for line in lines_of(found):
            typer.echo(line)
        pairs = [(pair.parameter, pair.covariate) for pair in found.proposed]
        ended, decisions = decided(
            of, base, pairs, kept_shapes, p_taken, said_moved, search, lambda each: typer.echo(line_of(each))
        )
        _write_fit(ended.fit, of, out)
        (out / "trees.json").write_text(as_json(found, decisions, ended, of))
        search.unlink(missing_ok=True)
    own = {
        "proposed": len(found.proposed),
        "relations": [str(relation) for relation in ended.relations],
        "false_finds": found.false_finds,
    }
    raise _ended(of, ended.fit, ended.fit.problems, own, left_out, out)


@app.command(
    epilog=examples(
        "dosetwin covariates learn levels.csv --model base.toml --out learnt",
        "dosetwin covariates learn levels.csv --model base.toml --covariates AGE,WT --widen --out there",
    )
)
@with_sets
def learn(
    given: Given,
    covariates: Annotated[
        str, typer.Option(help="covariates that stay, as AGE,WT; by default all in which patients differ")
    ] = "",
    parameters: Annotated[
        str, typer.Option(help="parameters, as CL,V; by default all with log-normal or normal effects")
    ] = "",
    hidden: Annotated[int, typer.Option(min=1, max=16, help="units of the network's one hidden layer")] = 4,
    widen: Annotated[
        bool, typer.Option("--widen", help="add what is not certain of what was learnt to the written model's iiv")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="of draws, folds and the weights to begin with")] = 1,
) -> None:
    """Learn effects of any shape by a small network, kept only where patients left out are predicted better."""
    from streams.batch.arguments import LeftOut
    from streams.batch.covariates.asked import with_covariates, words
    from streams.batch.covariates.learnt import as_json, learnt, lines_of, lines_of_learnt, scope_of, task_of
    from streams.batch.covariates.proposed import standing
    from streams.batch.covariates.weights import keep
    from streams.terminal.progress import progress, said_moved
    from twin.covariates.held_out import FOLDS, check_count, judged

    left_out, out = LeftOut(), given.out
    with _arguments(out):
        of = _asked(given, "learnt", "", left_out)
        wanted = words(parameters), words(covariates)
        of = with_covariates(of, scope_of(of, *wanted).covariates, left_out)
        scope = scope_of(of, *wanted)
        check_count(len(of.cases))
    search, found = out / "search.json", None
    with _search():
        ended = base = standing(of, (), None, said_moved, search)
        task = task_of(base, scope, hidden, seed)
        with progress("networks", "choices", FOLDS + 1) as done:
            verdict = judged(task, done)
        typer.echo("\n".join(lines_of(verdict)))
        if verdict.accepted:
            found = learnt(of, base, scope, task, verdict, said_moved, search)
            ended = found.standing
            typer.echo("\n".join(lines_of_learnt(found, scope)))
        _write_fit(ended.fit, of, out)
        network = None if found is None else (found.network, found.members)
        keep(network, scope.values, list(of.timelines), out / f"{of.name}.toml", widen=widen)
        (out / "learnt.json").write_text(as_json(of, scope, task, verdict, base, found))
        search.unlink(missing_ok=True)
    own = {
        "accepted": verdict.accepted,
        "difference": [round(each, 5) for each in (verdict.mean, *verdict.interval)],
    }
    raise _ended(of, ended.fit, (*ended.fit.problems, *(found.problems if found else ())), own, left_out, out)


@app.command(epilog=examples("dosetwin covariates typical learnt --of AGE=0.4,WT=5.2"))
def typical(
    folder: Annotated[Path, typer.Argument(help="that dosetwin covariates learn wrote", show_default=False)],
    of: Annotated[str, typer.Option(help="a patient's covariates, as AGE=0.4,WT=5.2")],
) -> None:
    """Typical values of a patient by what was learnt, how certain they are, and what is outside of what was seen."""
    from streams.batch.arguments import usable_arguments
    from streams.batch.covariates.weights import characteristics_of, kept, typical_lines

    with usable_arguments():
        model, network, members = kept(folder)
        typer.echo("\n".join(typical_lines(model, network, members, characteristics_of(of, network))))
