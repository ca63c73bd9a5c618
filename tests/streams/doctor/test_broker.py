"""What the doctor says of Kafka: a wrong password, a wrong authority and a missing right, each with its mend."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import ALERTS, HEARTBEATS, LABS, describe_topics
from connectors.settings import load_settings
from streams.commands.project.doctor import check_topics
from streams.doctor.broker import allowed, check_broker, check_engineer, check_rights
from streams.doctor.finding import Finding
from streams.roles import admit
from tests.doors import Doors


def looked(check: Generator[Finding, None, Any]) -> tuple[Finding, Any]:
    """The one finding, and what the check returns."""
    found = next(check)
    with pytest.raises(StopIteration) as end:
        next(check)
    return found, end.value.value


@pytest.fixture
def console(locked: Doors, monkeypatch: pytest.MonkeyPatch) -> Doors:
    locked.act(monkeypatch, "console")
    return locked


def test_a_user_with_its_key_and_its_rights_is_well(console: Doors) -> None:
    found, access = looked(check_broker(load_settings()))
    assert found == Finding("Kafka", f"answers at {console.users} by TLS, to user 'console'")
    assert access.user == "console"
    (rights,) = check_rights(load_settings(), "console")
    assert rights == Finding("role console", "may do its work on all topics that are there")
    assert all(one.well for one in check_topics(load_settings()))
    assert list(check_rights(load_settings(), "somebody")) == []


def test_a_wrong_password_is_told_from_a_wrong_authority(
    console: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong, other = tmp_path / "wrong.password", tmp_path / "other.pem"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    trustme.CA().cert_pem.write_to_path(str(other))
    console.act(monkeypatch, "console", PASSWORD_FILE=wrong)
    found, access = looked(check_broker(load_settings()))
    assert (found, access) == (
        Finding(
            "Kafka",
            f"at {console.users} does not let user 'console' in: user 'console' or the password in {wrong} is not "
            "known there",
            "mend DOSETWIN_KAFKA_USER, or what stands in DOSETWIN_KAFKA_PASSWORD_FILE",
        ),
        None,
    )
    console.act(monkeypatch, "console", CA=other)
    found, _ = looked(check_broker(load_settings()))
    assert f"its certificate is not of the authority named: DOSETWIN_KAFKA_CA={other}" in found.seen
    assert found.mend == "name the PEM file of the server's own authority in DOSETWIN_KAFKA_CA"
    console.act(monkeypatch, "console", PASSWORD_FILE=tmp_path / "none")
    found, _ = looked(check_broker(load_settings()))
    assert (found.seen.partition(";")[0], found.well) == (
        f"DOSETWIN_KAFKA_PASSWORD_FILE={tmp_path / 'none'}: No such file or directory",
        False,
    )


@pytest.mark.usefixtures("console")
def test_where_nobody_answers_it_says_how_to_have_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_KAFKA", "127.0.0.1:1")
    found, _ = looked(check_broker(load_settings()))
    assert found.seen == "does not answer at 127.0.0.1:1"
    assert found.mend == "start it with 'dosetwin services up', or name yours in DOSETWIN_KAFKA"


def test_a_missing_right_is_named_and_given_again(locked: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.act(monkeypatch, None)
    _take(locked.operators, "console", "READ", ALERTS)
    locked.act(monkeypatch, "console")
    (found,) = check_rights(load_settings(), "console")
    assert found.seen == "has no right to READ twin.alerts"
    assert "'dosetwin services up --secure' gives them" in found.mend

    locked.act(monkeypatch, None)
    for operation in ("READ", "WRITE", "DESCRIBE"):
        _take(locked.operators, "console", operation, HEARTBEATS)
    locked.act(monkeypatch, "console")
    wrong = [one for one in check_topics(load_settings()) if not one.well]
    assert [(one.subject, one.seen) for one in wrong] == [
        ("topic twin.heartbeats", "our user may not see whether it is there")
    ]
    (found,) = check_rights(load_settings(), "console")
    assert found.seen == "has no right to READ twin.alerts, READ twin.heartbeats"

    locked.act(monkeypatch, None)
    _give(locked.operators, "console", "WRITE", LABS)
    admit(load_settings())
    locked.act(monkeypatch, "console")
    (found,) = check_rights(load_settings(), "console")
    assert found.well
    (labs,) = describe_topics(locked.users, topics=(LABS,))
    assert "WRITE" not in labs.rights, "what it was given beyond its work is taken back"


@pytest.fixture
def engineers(console: Doors, monkeypatch: pytest.MonkeyPatch) -> Doors:
    """The console, with the user whom engineers are there."""
    for name, value in console.roles["console"].items():
        if name.startswith("DOSETWIN_ENGINEER_"):
            monkeypatch.setenv(name, value)
    return console


def test_the_engineers_user_is_checked_beside_the_consoles_own(
    engineers: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(check_engineer(load_settings())) == [
        Finding("engineers on Kafka", f"{engineers.users} lets user 'engineer' in"),
        Finding("role engineer", "may do its work on all topics that are there"),
    ]
    for name in ("USER", "PASSWORD_FILE"):
        monkeypatch.delenv(f"DOSETWIN_ENGINEER_{name}")
    assert list(check_engineer(load_settings())) == []


def test_of_the_engineers_user_a_wrong_password_authority_and_role_are_told_apart(
    engineers: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong, other = tmp_path / "wrong.password", tmp_path / "other.pem"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    trustme.CA().cert_pem.write_to_path(str(other))
    with monkeypatch.context() as patch:
        patch.setenv("DOSETWIN_ENGINEER_PASSWORD_FILE", str(wrong))
        (found,) = check_engineer(load_settings())
        assert f"does not let user 'engineer' in: user 'engineer' or the password in {wrong} is not" in found.seen
        assert found.mend == "mend DOSETWIN_ENGINEER_USER, or what stands in DOSETWIN_ENGINEER_PASSWORD_FILE"
        wrong.chmod(0o644)
        (found,) = check_engineer(load_settings())
        assert found.seen.startswith(f"DOSETWIN_ENGINEER_PASSWORD_FILE={wrong}: everybody may read it")
    with monkeypatch.context() as patch:
        patch.setenv("DOSETWIN_KAFKA_CA", str(other))
        (found,) = check_engineer(load_settings())
        assert f"its certificate is not of the authority named: DOSETWIN_KAFKA_CA={other}" in found.seen
    with monkeypatch.context() as patch:
        patch.setenv("DOSETWIN_ENGINEER_USER", "console")
        patch.setenv("DOSETWIN_ENGINEER_PASSWORD_FILE", engineers.roles["console"]["DOSETWIN_KAFKA_PASSWORD_FILE"])
        well, found = check_engineer(load_settings())
        assert (well.well, found.well) == (True, False)
        assert found.seen.startswith(f"has no right to WRITE {LABS}, ")
    with monkeypatch.context() as patch:
        patch.delenv("DOSETWIN_ENGINEER_PASSWORD_FILE")
        (found,) = check_engineer(load_settings())
        assert "are set both, or neither" in found.seen


def test_a_right_that_the_engineers_user_lacks_is_named_and_given_again(
    engineers: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineers.act(monkeypatch, None)
    _take(engineers.operators, "engineer", "WRITE", LABS)
    engineers.act(monkeypatch, "console")
    well, found = check_engineer(load_settings())
    assert (well.well, found.subject, found.seen) == (True, "role engineer", f"has no right to WRITE {LABS}")
    engineers.act(monkeypatch, None)
    admit(load_settings())
    engineers.act(monkeypatch, "console")
    assert all(one.well for one in check_engineer(load_settings()))


def _give(bootstrap: str, role: str, operation: str, topic: str) -> None:
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    admin = open_admin(bootstrap)
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    admin.create_acls([ACL(f"User:{role}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)])
    admin.close()


def _take(bootstrap: str, role: str, operation: str, topic: str) -> None:
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    pattern = ResourcePatternFilter(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    admin = open_admin(bootstrap)
    admin.delete_acls([ACLFilter(f"User:{role}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)])
    admin.close()


def test_what_a_role_may_not_look_at_is_left_to_the_operator() -> None:
    from kafka.errors import TopicAuthorizationFailedError

    def shut(_: object) -> Iterator[Finding]:
        yield Finding("worker", "one lives")
        raise TopicAuthorizationFailedError("twin.heartbeats")

    assert [one.seen for one in allowed("worker", shut, load_settings())] == [
        "one lives",
        "is not for our user to look at; the operator may",
    ]
