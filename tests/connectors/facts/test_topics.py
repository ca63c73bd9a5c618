"""Topics: which level names whom, what may not be listened to, and who may say what of whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.topics import MqttPart, Origin, Template, Topics

INGEST = "dosetwin/v1/ingest"


def topics(topic: str, status: str = "", **users: list[str]) -> Topics:
    return Topics.of(MqttPart(topic=topic, status=status, users=users))


def test_levels_name_whom_a_publication_is_from_and_of() -> None:
    template = Template.of(f"{INGEST}/{{user}}/+/{{patient}}/{{device}}")
    assert template.filter == f"{INGEST}/+/+/+/+"
    assert template.origin(f"{INGEST}/gw/x/4711/pump-4") == Origin("gw", "4711", "gw/pump-4")
    for other in (f"{INGEST}/gw/x/4711", f"{INGEST}/gw/x/4711/pump-4/on", f"{INGEST}/gw/x//pump-4", "a/b/c/gw/x/1/2"):
        assert template.origin(other) is None


def test_devices_that_two_users_call_alike_are_two() -> None:
    template = Template.of(f"{INGEST}/{{user}}/{{device}}")
    one, two = (template.origin(f"{INGEST}/{user}/wrist") for user in ("phone-1", "phone-2"))
    assert one is not None
    assert two is not None
    assert one.device != two.device


@given(st.lists(st.text(st.characters(exclude_characters="/+#$\0{}"), min_size=1), min_size=1, max_size=5))
def test_a_topic_of_words_is_of_its_own_template_alone(levels: list[str]) -> None:
    template, topic = Template.of("/".join(levels)), "/".join(levels)
    assert template.filter == topic
    assert template.origin(topic) == Origin()
    assert template.origin(topic + "/x") is None


@pytest.mark.parametrize("text", ["", "{user}/a", "+/a", "a/#", "#", "a//b", "a/{bed}", "a/x{user}", "$SYS/a", "a/b+"])
def test_what_would_listen_to_more_than_is_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt\.topic"):
        topics(text)


def test_a_name_stands_once_a_status_names_its_device_and_users_need_their_level() -> None:
    with pytest.raises(ValueError, match="two levels"):
        topics("a/{user}/{user}")
    with pytest.raises(ValueError, match="device"):
        topics("a/{user}/{device}", "a/{user}/status")
    with pytest.raises(ValueError, match=r"mqtt\.status.*level"):
        topics("a/{user}/{device}", "a/{device}/#")
    with pytest.raises(ValueError, match=r"mqtt\.users"):
        topics("a/{patient}", phone=["*"])


def test_a_user_says_what_the_profile_lets_them_say() -> None:
    known = topics("a/{user}/{device}", "a/{user}/{device}/status", phone=["P-1"], gateway=["P-*"])
    assert [known.takes(user) for user in ("phone", "gateway", "other")] == [True, True, False]
    assert known.may("phone", "P-1")
    assert not known.may("phone", "P-2")
    assert known.may("gateway", "P-2")
    assert not known.may("other", "P-1")
    assert topics("a/{user}").may("anybody", "P-1")
    assert known.is_status("a/phone/w/status")
    assert known.origin("a/phone/w/status") == known.origin("a/phone/w") == Origin("phone", "", "phone/w")
    assert known.origin("b/phone/w") is None


def test_sources_whose_publications_cannot_be_told_apart_are_found() -> None:
    one = topics("a/{user}/{device}", phone=["*"])
    assert one.meets(topics("a/x/{device}"))
    assert one.meets(topics("a/{user}/w", phone=["P-1"]))
    assert not one.meets(topics("a/{user}/{device}", gateway=["*"]))
    assert not one.meets(topics("b/{user}/{device}"))
    assert not one.meets(topics("a/{user}/{device}/raw"))
