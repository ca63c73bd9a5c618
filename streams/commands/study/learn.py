"""``dosetwin learn``: a model's population learnt from what its twins say, judged by later patients, and released.

Messages (particles and weights, no dose, date or value) come from files as `dosetwin replay` writes them. A version
goes from draft (`learn fit`) to reviewed (`learn judge`) to released (`learn release`, signed). Sites that may not
share patients share sums (`learn sums`, `learn step`, `learn answer`, `learn verdict`). What cannot be used is said on
stderr; the exit code is then 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Jobs, Kafka, Passphrase, Prefix, ReadingOptions, examples

app = typer.Typer(
    name="learn",
    no_args_is_help=True,
    help="A population learnt from twins' own messages: fitted, judged by later patients, released.",
)

Messages = Annotated[
    list[Path], typer.Argument(help="messages (.npz), folders of them, or folders of a replay", show_default=False)
]
Published = Annotated[str, typer.Option("--model", help="the published model that versions are of: id or path")]
Records = Annotated[
    list[Path] | None,
    typer.Option(
        "--records", help="records of the patients, to fold those again whom messages do not reach; repeatable"
    ),
]
Particles = Annotated[int, typer.Option(min=100, max=100_000, help="of twins that are folded again")]
Prior = Annotated[
    str | None,
    typer.Option(
        help="what the published numbers are worth: 'stated' as the model file says, a TOML of standard errors, [CL] se"
        " and iiv_se, or 'none'; by default as much as chance may have made of what was learnt"
    ),
]
Hold = Annotated[list[str] | None, typer.Option(help="parameter whose typical value stays as published; repeatable")]
Against = Annotated[str | None, typer.Option(help="the version in use: id or path; by default the published one")]
Subgroups = Annotated[
    list[str] | None, typer.Option(help="that may not lose: NAME<NUMBER, NAME>=NUMBER or NAME=LEVEL; repeatable")
]
Learn = Annotated[
    list[str] | None,
    typer.Option(
        help="what is learnt besides: a covariate's coefficient, or an output, for the size of its residual error;"
        " repeatable"
    ),
]


@app.command(epilog=examples("dosetwin learn fit out --model my.toml --id my_ward1 --out my_ward1.toml"))
@with_sets
def fit(
    messages: Messages,
    model: Published,
    name: Annotated[str, typer.Option("--id", help="of the draft, e.g. docetaxel_ward1")],
    out: Annotated[Path, typer.Option(help="the draft's file; beside it ID.version.toml")],
    prior: Prior = None,
    hold: Hold = None,
    learn: Learn = None,
    records: Records = None,
    *,
    read_by: ReadingOptions,
    particles: Particles = 1000,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Learn typical values and variability from one site's messages, one a patient; write the draft of a version.

    Coefficients of covariates and sizes of residual errors are learnt where --learn names them.
    """
    from connectors.releases import digest
    from streams.batch.arguments import LeftOut, ended_plainly
    from streams.batch.learning.account import fingerprint
    from streams.batch.learning.arguments import (
        WORTH_NOTHING,
        estimate_lines,
        folder_of,
        read_all,
        require_version_place,
        standing,
        usable,
    )
    from streams.batch.learning.rounds import learn_all, provenance
    from streams.batch.learning.verdicts import Version, file_of
    from streams.terminal.progress import progress
    from twin.learning.population import anchor_of
    from twin.modelfile.library import load_model

    left_out = LeftOut()
    with usable():
        published = load_model(model, mixtures=True)
        anchor = anchor_of(published, hold or (), learn or ())
        worth = standing(published, prior, learn or ())
        said = read_all(messages, left_out)
        again = folder_of(records, read_by, model, particles, jobs, left_out)
        require_version_place(out, name, published)
    with ended_plainly(cluster), usable(), progress("learn", "steps") as done:
        whole = prior == WORTH_NOTHING
        found = learn_all(published, anchor, said, name, worth, again, lambda step, *_: done(step), whole)
        out.write_text(found.draft.text, encoding="utf-8")
        words = provenance(published, found.messages, worth is not None)
        patients = tuple(sorted(fingerprint(message.patient_id) for message in found.messages))
        version = Version(found.draft.id, digest(found.draft), anchor.structure, "draft", words, patients)
        file_of(out).write_text(version.as_toml(), encoding="utf-8")
    for line in estimate_lines(published, anchor, found.found, worth):
        typer.echo(line)
    typer.echo(f"the draft takes {100 * found.taken:.3g} % of the way from the published numbers to those")
    for number, count in enumerate(found.folded, start=1):
        typer.echo(f"round {number}: {count} patients folded again", err=True)
    for patient in found.found.to_fold:
        left_out_words = "its particles do not reach what was learnt; name its record with --records"
        typer.echo(f"patient {patient}: {left_out_words}", err=True)
    if not found.found.settled:
        typer.echo("not settled: more steps are needed; begin with fewer parameters (--hold)", err=True)
    ended = not found.found.to_fold and found.found.settled
    raise typer.Exit(left_out.exit_code if ended else 3)


@app.command(epilog=examples("dosetwin learn collect --out messages"))
def collect(
    out: Annotated[Path, typer.Option(help="folder for the messages; those there are replaced")],
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Collect every patient's newest message from a running ward, whose workers have DOSETWIN_POSTERIORS=true.

    They are opened with the patients' keys (DOSETWIN_KEYS_STORE); of who was erased there is none any more.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.posteriors import newest, opened, packed
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import KeyDestroyed, patient_keys
    from connectors.settings import load_settings
    from streams.batch.arguments import LeftOut, require_folder
    from streams.batch.cases import CaseError, Problem, of_patient
    from streams.batch.learning.arguments import usable
    from streams.batch.learning.messages import ENDING
    from twin.learning.messages.message import BadMessage

    left_out = LeftOut()
    with usable():
        try:
            keys = patient_keys()
        except KeysUnusable as error:
            raise CaseError(str(error)) from None
        if keys is None:
            raise CaseError("DOSETWIN_KEYS_STORE is not set: messages are encrypted with the keys of their patients")
        require_folder(out)
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob(f"*{ENDING}"):
            old.unlink()
        written = 0
        try:
            for event in newest(load_settings(kafka=kafka, topic_prefix=prefix)):
                try:
                    (out / f"{event.patient_id}{ENDING}").write_bytes(packed(opened(event, keys)))
                    written += 1
                except (BadMessage, KeyDestroyed, KeysUnusable) as error:
                    left_out(Problem(of_patient(event.patient_id), str(error)))
        except KafkaUnreachable as error:
            raise CaseError(str(error)) from None
    typer.echo(f"{out}: messages of {written} patients", err=True)
    raise typer.Exit(left_out.exit_code)


@app.command(epilog=examples("dosetwin learn widen busulfan_mccune2014 --by 2 --id my_wide --out my_wide.toml"))
def widen(
    model: Annotated[str, typer.Argument(help="id of a library model, or path of a model file")],
    name: Annotated[str, typer.Option("--id", help="of the version")],
    out: Annotated[Path, typer.Option(help="the version's file")],
    by: Annotated[float, typer.Option(help="factor of every variance, above 1")] = 2.0,
) -> None:
    """Write a version with a wider population, to enrol under while it is learnt: its messages reach further."""
    from streams.batch.learning.arguments import require_version_place, usable
    from twin.learning.draft import widened_draft
    from twin.modelfile.library import load_model

    with usable():
        published = load_model(model, mixtures=True)
        require_version_place(out, name, published)
        found = widened_draft(published, by, name)
        out.write_text(found.text, encoding="utf-8")
    typer.echo(
        f"{out}: {found.id}, hash {found.hash}, variances times {by:g}; dosetwin worker --model {found.id}={out}"
    )


@app.command(epilog=examples("dosetwin learn judge my_ward1.toml later --model my.toml --subgroup 'AGE>=65'"))
@with_sets
def judge(
    draft: Annotated[Path, typer.Argument(help="file of the version that was learnt")],
    messages: Annotated[
        list[Path], typer.Argument(help="messages; of patients whom it was learnt from they do not count")
    ],
    model: Published,
    against: Against = None,
    subgroup: Subgroups = None,
    records: Records = None,
    *,
    read_by: ReadingOptions,
    particles: Particles = 1000,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Judge a version by patients it has not seen: do they foresee better by it than by the one in use, and no subgroup
    worse?

    The running likelihood ratio of all versions that were judged against the one in use decides; it goes on in
    ID.judged.toml beside the draft. Exit code 3 when the version is not accepted.
    """
    from streams.batch.arguments import LeftOut, ended_plainly
    from streams.batch.learning.account import account_of
    from streams.batch.learning.arguments import comparison, folder_of, read_all, usable
    from streams.batch.learning.judging import judged, judges_of
    from streams.batch.learning.verdicts import file_of, reviewed, verdict_lines

    left_out = LeftOut()
    with usable():
        compared, kept = comparison(model, draft, against, account_of)
        taught, said = judges_of(compared, draft, read_all(messages, left_out), ())
        again = folder_of(records, read_by, model, particles, jobs, left_out)
    with ended_plainly(cluster), usable():
        verdict, account = judged(compared, taught, said, subgroup or (), again)
        kept.write_text(account.as_toml(), encoding="utf-8")
        file_of(draft).write_text(reviewed(compared.version, verdict, account).as_toml(), encoding="utf-8")
    typer.echo("\n".join(verdict_lines(verdict)))
    for reason in verdict.reasons:
        typer.echo(f"not accepted: {reason}", err=True)
    typer.echo(f"{draft}: {'reviewed and accepted' if verdict.accepted else 'reviewed, not accepted'}", err=True)
    raise typer.Exit(left_out.exit_code if verdict.accepted else 3)


@app.command(epilog=examples("dosetwin learn release my_ward1.toml --key reviewer.key --reviewer 'A. Reviewer'"))
def release(
    draft: Annotated[Path, typer.Argument(help="file of a version that later patients accepted")],
    key: Annotated[Path, typer.Option(help="the reviewer's private key")],
    reviewer: Annotated[str, typer.Option(help="who looked at it, as in reviewers.toml")],
    passphrase: Passphrase = None,
    releases: Annotated[
        Path, typer.Option(envvar="DOSETWIN_CLINICAL", file_okay=False, help="folder of releases")
    ] = Path("releases"),
    replaces: Annotated[
        str, typer.Option(help="id of the model whose running twins go on by this version, patient by patient")
    ] = "",
) -> None:
    """Sign a version that was judged and accepted, with all judgements that led to it; no other is signed here.

    With --replaces the file is put beside its release, and running workers move the twins of the other model to it, one
    patient at a time.
    """
    from dataclasses import replace
    from datetime import UTC, datetime

    from connectors import releases as of
    from streams.batch.cases import CaseError
    from streams.batch.learning.arguments import usable
    from streams.batch.learning.verdicts import evidence, file_of, read_version
    from streams.terminal.options import asked_passphrase
    from twin.modelfile.library import load_model

    with usable():
        found = load_model(draft, mixtures=True)
        version = read_version(found, draft)
        if not version.accepted:
            why = "; ".join(version.reasons) or "it was not judged; 'dosetwin learn judge' does"
            raise CaseError(f"{draft}: is {version.state}, and not accepted: {why}")
        numbers = dict(version.judged)
        judges = f"{numbers['judges']:.0f} later patients"
        note = f"{version.learnt_from}; running log likelihood ratio {numbers['log_ratio']:.4g} of {judges}"
        proof = evidence(version, draft)
        file = releases / f"{found.id}{of.ENDING}"
        today = datetime.now(UTC).date()
        try:
            private = of.open_key(key, lambda: asked_passphrase(passphrase))
            signed = of.sign(found, private, reviewer, today, note, replaces, proof)
            of.publish(signed, found, releases, proof)
        except of.NotReleased as error:
            raise CaseError(str(error)) from None
        file_of(draft).write_text(replace(version, state="released").as_toml(), encoding="utf-8")
    typer.echo(f"{file}: {found.id}, SHA-256 {of.digest(found)}, released by {reviewer}")


# --- several sites ---------------------------------------------------------------------------------------------------


@app.command(epilog=examples("dosetwin learn sums out --model my.toml --out site1.json"))
def sums(
    messages: Messages,
    model: Published,
    out: Annotated[Path, typer.Option(help="file of the site's sums, for whoever gathers them")],
    at: Annotated[Path | None, typer.Option(help="what 'learn step' wrote last; at first the published one")] = None,
    noise: Annotated[
        float, typer.Option(min=0.0, help="SD of normal noise on every sum, in published standard deviations")
    ] = 0.0,
) -> None:
    """Add up what this site's patients say of a population that all sites try: at least 5 patients, no particles."""
    import secrets

    import numpy as np

    from streams.batch.arguments import LeftOut
    from streams.batch.cases import CaseError
    from streams.batch.learning.arguments import read_all, require_place, tried, usable
    from twin.learning.contribution import reach
    from twin.learning.population import anchor_of, particles_of
    from twin.learning.sums import TooFew, as_json, for_others, sums_of
    from twin.modelfile.library import load_model

    left_out = LeftOut()
    with usable():
        require_place(out)
        anchor = anchor_of(load_model(model, mixtures=True))
        theta = tried(at, anchor)
        each = [particles_of(message, anchor) for message in read_all(messages, left_out)]
        try:
            chance = np.random.default_rng(secrets.randbits(128)) if noise else None
            found = for_others(sums_of(each, theta), noise, chance)
        except TooFew as error:
            raise CaseError(str(error)) from None
        reached = sum(reach(one, theta).holds for one in each)
        out.write_text(as_json(found, anchor.structure, theta, reached), encoding="utf-8")
    typer.echo(f"{out}: sums over {found.patients} patients, {reached} of them reached", err=True)
    raise typer.Exit(left_out.exit_code)


@app.command(epilog=examples("dosetwin learn step site1.json site2.json --model my.toml --out next.json"))
def step(
    sites: Annotated[list[Path], typer.Argument(help="the sums of every site, all at one population")],
    model: Published,
    out: Annotated[Path, typer.Option(help="the next population, for 'learn sums --at'")],
    prior: Prior = None,
    hold: Hold = None,
    learn: Learn = None,
    draft: Annotated[Path | None, typer.Option(help="write the draft of a version too, when it has settled")] = None,
    name: Annotated[str | None, typer.Option("--id", help="of that draft")] = None,
) -> None:
    """Take one step of learning from the sums of several sites; the order of the sites changes no bit."""
    from connectors.releases import digest
    from streams.batch.cases import CaseError
    from streams.batch.learning.arguments import require_place, require_version_place, standing, usable
    from streams.batch.learning.sites import stepped
    from streams.batch.learning.verdicts import Version, file_of
    from twin.learning.estimation import LEFT
    from twin.learning.population import anchor_of, theta_as_text
    from twin.modelfile.library import load_model

    with usable():
        if (draft is None) != (name is None):
            raise CaseError("--draft and --id: write both, or neither")
        require_place(out)
        published = load_model(model, mixtures=True)
        if draft is not None and name is not None:
            require_version_place(draft, name, published, "--draft")
        anchor = anchor_of(published, hold or (), learn or ())
        taken = stepped(sites, anchor, standing(published, prior, learn or ()))
        out.write_text(theta_as_text(taken.theta) + "\n", encoding="utf-8")
        if draft is not None and name is not None:
            found, words = taken.draft(published, anchor, name, prior is not None)
            draft.write_text(found.text, encoding="utf-8")
            # Whose sums they are no site tells the others: each knows its own patients when it answers.
            version = Version(found.id, digest(found), anchor.structure, "draft", words, ())
            file_of(draft).write_text(version.as_toml(), encoding="utf-8")
    total = taken.total
    typer.echo(
        f"{total.patients} patients, {taken.reached} reached; gain {total.gain:.6g}; "
        f"moved by {taken.moved:.2g} published SD" + ("" if taken.moved > LEFT / 10 else ": settled")
    )


@app.command(epilog=examples("dosetwin learn answer my_all.toml later --model my.toml --summed out --out site1.json"))
@with_sets
def answer(
    draft: Annotated[Path, typer.Argument(help="file of the version that was learnt from sums")],
    messages: Annotated[list[Path], typer.Argument(help="messages; of patients who were summed they do not count")],
    model: Published,
    summed: Annotated[list[Path], typer.Option(help="this site's messages that were summed; repeatable")],
    out: Annotated[Path, typer.Option(help="file of the site's answer, for whoever gathers them")],
    against: Against = None,
    subgroup: Subgroups = None,
    records: Records = None,
    *,
    read_by: ReadingOptions,
    particles: Particles = 1000,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Say in sums what this site's later patients, at least 5, have of a version that sites learnt together.

    Who taught and who answered is kept in ID.answered.toml beside the draft, and stays here. A site answers once about
    each version.
    """
    from streams.batch.arguments import LeftOut, ended_plainly
    from streams.batch.learning.arguments import comparison, folder_of, read_all, require_place, usable
    from streams.batch.learning.judging import judges_of
    from streams.batch.learning.sites import answer as answer_of
    from streams.batch.learning.sites import answered_of

    left_out = LeftOut()
    with usable():
        require_place(out)
        compared, kept = comparison(model, draft, against, answered_of)
        own = read_all(summed, left_out)
        taught, said = judges_of(compared, draft, read_all(messages, left_out), own)
        again = folder_of(records, read_by, model, particles, jobs, left_out)
    with ended_plainly(cluster), usable():
        found, account = answer_of(compared, taught, said, subgroup or (), again)
        kept.write_text(account.as_toml(), encoding="utf-8")
        out.write_text(found.as_json(), encoding="utf-8")
    if account is compared.account:
        said_before = f"note: this site answered about {found.version} before ({kept})"
        typer.echo(f"{said_before}, and that answer stands, whoever is named now", err=True)
    typer.echo(f"{out}: sums over {found.tally.patients} patients")
    raise typer.Exit(left_out.exit_code)


@app.command(epilog=examples("dosetwin learn verdict my_all.toml site1.json site2.json --model my.toml"))
def verdict(
    draft: Annotated[Path, typer.Argument(help="file of the version that was learnt from sums")],
    answers: Annotated[list[Path], typer.Argument(help="the answer of every site, in any order")],
    model: Published,
    against: Against = None,
) -> None:
    """Judge a version by the answers of all sites together, whose running likelihood ratios multiply.

    Exit code 3 when the version is not accepted.
    """
    from streams.batch.learning.account import account_of
    from streams.batch.learning.arguments import comparison, usable
    from streams.batch.learning.sites import answers_in, joint_verdict
    from streams.batch.learning.verdicts import file_of, reviewed, verdict_lines

    with usable():
        compared, kept = comparison(model, draft, against, account_of)
        said = answers_in(answers)
        found, account = joint_verdict(compared, said)
        kept.write_text(account.as_toml(), encoding="utf-8")
        file_of(draft).write_text(reviewed(compared.version, found, account).as_toml(), encoding="utf-8")
    typer.echo("\n".join(verdict_lines(found)))
    for reason in found.reasons:
        typer.echo(f"not accepted: {reason}", err=True)
    by = f"by {len(said)} {'site' if len(said) == 1 else 'sites'}"
    typer.echo(f"{draft}: {'accepted' if found.accepted else 'not accepted'} {by}", err=True)
    raise typer.Exit(0 if found.accepted else 3)
