"""Requests on their way: a state is good in one browser, for a while, of this process."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.access.oidc.requests import LASTS, Requests
from tests import factories as make


class Clock:
    at: datetime = make.at(0)

    def __call__(self) -> datetime:
        return self.at


def test_a_browser_that_began_is_known_by_its_cookie_and_state() -> None:
    requests = Requests(Clock())
    begun, other = requests.begin(), requests.begin()
    assert requests.of(begun.cookie, begun.state) == begun
    assert len({*begun, *other}) == 8
    assert min(len(one) for one in begun) >= 43
    assert len(begun.challenge) == 43
    for cookie, state in (
        (begun.cookie, other.state), (other.cookie, begun.state), (begun.cookie, ""), ("", begun.state),
        (begun.cookie[:-1], begun.state), ("x.y", begun.state), ("9" * 30 + ".y", begun.state), ("².y", "\ud800é"),
    ):  # fmt: skip
        assert requests.of(cookie, state.encode(errors="replace").decode()) is None
    assert Requests(Clock()).of(begun.cookie, begun.state) is None, "another process has another key"


def test_what_was_begun_too_long_ago_is_over_and_its_time_cannot_be_changed() -> None:
    clock = Clock()
    requests = Requests(clock)
    begun = requests.begin()
    clock.at += LASTS - timedelta(seconds=1)
    assert requests.of(begun.cookie, begun.state) == begun
    clock.at += timedelta(seconds=2)
    assert requests.of(begun.cookie, begun.state) is None
    began, _, secret = begun.cookie.partition(".")
    assert requests.of(f"{int(began) + 600}.{secret}", begun.state) is None
