"""Fever of a patient whose neutrophils are low: an emergency, for an infection kills within hours.

Fever is one temperature of 38.3 degrees Celsius, or 38.0 kept up for an hour, of a wearable or a nurse; it counts for a
day. The level is the probability that neutrophils are under 1.0 x 10^9/L now (grade 3 of febrile neutropenia in the NCI
CTCAE v5.0); 0 without fever. Temperatures in between that are lower are not kept: a fever that is read at least every
half hour counts as kept up.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject, Watched
from twin.wording import amount, bare, say, share

RULE = "tox.febrile_neutropenia"
TITLE = "Febrile neutropenia"

_FEVER = "Freifeld 2011, Clin Infect Dis 52:e56 (IDSA)"
UNIT = "10*9/L"

SETTINGS = stated(
    "irreversible",
    "prompt",
    {
        "raise_above": Threshold(0.25, "1", assumed="one in four: what is missed may kill, a count costs an hour"),
        "clear_below": Threshold(0.10, "1", assumed="wider apart than the Monte-Carlo error"),
        "once": Threshold(38.3, "Cel", source=_FEVER),
        "kept_up": Threshold(38.0, "Cel", source=_FEVER, assumed="not set lower: what is under it is not kept"),
        "kept_up_for": Threshold(1.0, "h", source=_FEVER),
        "read_every": Threshold(0.5, "h", assumed="at least so often, or it is not known to be kept up"),
        "counts_for": Threshold(24.0, "h", assumed="a fever that was taken down by a drug is not over; at most a day"),
        "neutrophils": Threshold(1.0, UNIT, source="NCI CTCAE v5.0 (2017); IDSA: under 0.5, or to be so in 48 h"),
        "severe": Threshold(0.5, UNIT, source=_FEVER),
        "escalate_after": Threshold(30, "min", assumed="antibiotics are due within an hour: ASCO/IDSA 2018"),
    },
    latching=True,
)
"""It may kill within hours, and antibiotics are due within one: IEC 60601-1-8 has high. A fever that is gone may have
been taken down, so that it latches."""

ADVICE = "See the patient now: blood count, blood cultures, and antibiotics within the hour as the ward has them."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding while temperatures of a fever are known and the model has neutrophils."""
    count = snapshot.neutrophils
    if not snapshot.temperatures or count is None:
        return ()
    its = settings_for("")
    limit, severe = its.number("neutrophils"), its.number("severe")
    low, very_low = count.below(limit), count.below(severe)
    since = snapshot.time_ms - round(its.number("counts_for") * HOUR_MS)
    read = [one for one in snapshot.temperatures if one[0] > since]
    fever = has_fever(
        read,
        its.number("once"),
        its.number("kept_up"),
        round(its.number("kept_up_for") * HOUR_MS),
        round(its.number("read_every") * HOUR_MS),
    )
    newest = max((millis for millis, _ in read), default=snapshot.temperatures[-1][0])
    highest = max((value for _, value in read), default=0.0)
    counts = say(
        "febrile.counts",
        "neutrophils under {limit} with probability {p}, under {severe} with {p_severe}",
        limit=amount(f"{limit:.2g}", UNIT, count.output), p=share(low),
        severe=bare(f"{severe:.2g}", UNIT, count.output), p_severe=share(very_low),
    )  # fmt: skip
    said = say("febrile.none", "No fever for {time}; {counts}.",
               time=amount(f"{its.number('counts_for'):.3g}", "h"), counts=counts)  # fmt: skip
    if fever:
        said = say(
            "febrile.fever", "Fever of up to {temperature}, last read {time} ago; {counts}.",
            temperature=amount(f"{highest:.3g}", "Cel"),
            time=amount(f"{(snapshot.time_ms - newest) / HOUR_MS:.2g}", "h"), counts=counts,
        )  # fmt: skip
    return (
        Finding(
            rule=RULE,
            subject=Subject("output", count.output),
            level=low if fever else 0.0,
            severity=its.severity,
            words=said,
            probabilistic=True,
            newest_ms=newest,
            stage="severe" if fever and very_low > 0.5 else "",
            ending=say("febrile.over", "No fever for a day."),
            advice=ADVICE,
            settings=its,
            quantity=Watched(
                count.output,
                UNIT,
                "below",
                limit,
                None,
                count.quantile(0.05),
                count.quantile(0.5),
                count.quantile(0.95),
            ),
        ),
    )


def has_fever(
    read: Sequence[tuple[int, float]], once: float, kept_up: float, kept_up_for: int, read_every: int
) -> bool:
    """Whether temperatures, each with when (ms), are a fever: one of ``once``, or ``kept_up`` for so long (ms), read at
    least so often (ms)."""
    begun = last = None
    for millis, value in read:
        if value >= once:
            return True
        if value < kept_up:
            continue
        if begun is None or last is None or millis - last > read_every:
            begun = millis
        if millis - begun >= kept_up_for:
            return True
        last = millis
    return False
