"""Whether Kafka lets us in, and whether who we are there may do the work: a wrong password, a wrong authority and a
missing right each have a mend of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from connectors.kafka.access.entry import KafkaAccess, access_to
from connectors.kafka.access.refusal import refusal
from connectors.kafka.topics import describe_topics
from connectors.settings import Settings, SettingsError
from streams.doctor.finding import Finding
from streams.roles import roles

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


def check_rights(settings: Settings, user: str) -> Iterator[Finding]:
    """Has a user who is one of our roles all the rights that its part needs?"""
    role = next((one for one in roles(settings) if one.name == user), None)
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
        yield Finding(f"role {user}", f"has no right to {', '.join(missing)}", f"give it these rights: {GIVEN}")
    else:
        yield Finding(f"role {user}", "may do its work on all topics that are there")


def allowed(subject: str, check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    """What a check finds, as far as we may look."""
    from kafka.errors import AuthorizationError

    try:
        yield from check(settings)
    except AuthorizationError:
        yield Finding(subject, "is not for our user to look at; the operator may")
