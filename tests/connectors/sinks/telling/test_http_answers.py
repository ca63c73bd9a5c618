"""What a receiver's answer means, and to which addresses alerts may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.sinks.telling.http_answers import MOST_SAID, NoMoreWanted, checked_url, judge, open_client, retry_after
from connectors.sinks.telling.subscriber import Failed
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_answer_of_success_is_one(status: int) -> None:
    judge(status, {}, "", 0.0)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        *((status, AccessDenied) for status in (301, 302, 304, 307, 308, 401, 403, 404, 407)),
        *((status, BadItem) for status in (400, 405, 413, 422, 451)),
        *((status, Unavailable) for status in (408, 409, 425, 429, 502, 503, 504)),
        *((status, Failed) for status in (500, 501, 507)),
        (410, NoMoreWanted),
    ],
)
def test_every_other_answer_means_one_thing(status: int, means: type[Exception]) -> None:
    with pytest.raises(means, match=f"HTTP {status}") as error:
        judge(status, {}, "", 0.0)
    assert type(error.value) is means


def test_an_answer_says_how_long_to_wait_where_to_go_and_what_was_wrong() -> None:
    with pytest.raises(Unavailable) as busy:
        judge(429, {"retry-after": "17"}, "", 0.0)
    assert busy.value.retry_after == 17
    with pytest.raises(AccessDenied, match=r"elsewhere \(https://new.example/\): set its address"):
        judge(308, {"location": "https://new.example/"}, "", 0.0)
    with pytest.raises(BadItem, match=r"^HTTP 422: no such ward$"):
        judge(422, {}, "no\x1b\nsuch ward", 0.0)
    with pytest.raises(BadItem) as long:
        judge(400, {}, "x" * 10_000, 0.0)
    assert len(str(long.value)) < MOST_SAID + 20


@pytest.mark.parametrize(
    ("said", "seconds"), [("0", 0), ("9" * 400, 0), ("-5", 0), ("Thu, 01 Jan 1970 00:00:01 GMT", 0), ("²", 0)]
)
def test_a_wait_that_is_none_is_none(said: str, seconds: float) -> None:
    assert retry_after(said, 100.0) == seconds


@pytest.mark.parametrize("url", ["https://receiver.example/alerts?x=1", "http://127.0.0.1:8000", "http://[::1]:1/"])
def test_an_address_may_be_secured_or_of_this_machine(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://receiver.example/", "in the clear"),
        ("http://127.0.0.1.example/", "in the clear"),
        ("ftp://receiver.example/", "write an address as"),
        ("https://", "write an address as"),
        ("https://one.example/\r\nx: y", "write an address as"),
        ("https://me:secret@receiver.example/", "in a setting that is a secret"),
    ],
)
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked_url(url)


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give the PEM file of the receiver's authority"):
        open_client(tmp_path / "none.pem")
