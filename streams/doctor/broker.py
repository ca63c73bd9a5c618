"""Whether Kafka lets us in, and whether who we are there may do the work: a wrong password, a wrong authority and a
missing right each have a mend of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from connectors.kafka.access.engineer import EngineerAccess, engineers_access
from connectors.kafka.access.entry import KafkaAccess, access_to, entered_as
from connectors.kafka.access.refusal import refusal
from connectors.kafka.topics import describe_topics
from connectors.settings import Settings, SettingsError, load_settings
from streams.doctor.finding import Finding
from streams.roles import ENGINEER, roles

GIVEN = "'dosetwin services up --secure' gives them on this clone's Kafka; for another docs/operations.md lists them"


def check_broker(settings: Settings) -> Generator[Finding, None, KafkaAccess | None]:
    """Does Kafka answer, and does it let us in? Returns as whom, where it does."""
    try:
        access = access_to(settings.kafka)
        why = refusal(settings.kafka, access)
    except SettingsError as error:
        yield Finding("Kafka", str(error), "change or unset the variable named")
        return None
    if why is None:
        by = "" if access.protocol == "PLAINTEXT" else f" by TLS, to {access.who}"
        yield Finding("Kafka", f"answers at {settings.kafka}{by}")
        return access
    if why.absent:
        mend = "start it with 'dosetwin services up', or name yours in DOSETWIN_KAFKA"
        yield Finding("Kafka", f"does not answer at {settings.kafka}", mend)
    else:
        yield Finding("Kafka", f"at {settings.kafka} does not let {access.who} in: {why.seen}", why.mend)
    return None


def check_engineer(settings: Settings) -> Iterator[Finding]:
    """Can what engineers do on the console's page be done by the user who is named for it? Nothing where nobody is."""
    subject = "engineers on Kafka"
    try:
        if not load_settings(EngineerAccess).user:
            return
        access = engineers_access(settings.kafka)
        why = refusal(settings.kafka, access)
    except SettingsError as error:
        yield Finding(subject, str(error), "change or unset the variable named")
        return
    if why is not None:
        if not why.absent:  # that nobody is there was said already
            yield Finding(subject, f"at {settings.kafka} does not let {access.who} in: {why.seen}", why.mend)
        return
    yield Finding(subject, f"{settings.kafka} lets {access.who} in")
    with entered_as(access):
        rights = list(check_rights(settings, ENGINEER))
    yield from rights


def check_rights(settings: Settings, name: str) -> Iterator[Finding]:
    """Have we all the rights that the part of a role needs? Nothing where that is none of ours."""
    role = next((one for one in roles(settings) if one.name == name), None)
    if role is None:
        return
    prefix = settings.topic_prefix
    wanted = dict.fromkeys(topic.removeprefix(prefix) for topic, operation in role.rights() if operation != "CREATE")
    there = {state.name: state for state in describe_topics(settings.kafka, prefix, wanted)}
    missing = [
        f"{operation} {topic}"
        for topic, operation in role.rights()
        if topic in there and (there[topic].hidden or there[topic].partitions) and operation not in there[topic].rights
    ]
    if missing:
        yield Finding(f"role {name}", f"has no right to {', '.join(missing)}", f"give it these rights: {GIVEN}")
    else:
        yield Finding(f"role {name}", "may do its work on all topics that are there")


def allowed(subject: str, check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    """What a check finds, as far as we may look."""
    from kafka.errors import AuthorizationError

    try:
        yield from check(settings)
    except AuthorizationError:
        yield Finding(subject, "is not for our user to look at; the operator may")
