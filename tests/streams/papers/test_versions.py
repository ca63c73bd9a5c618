"""Orders of versions, by the examples of those who made them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streams.papers.versions import order


@pytest.mark.parametrize(
    ("ecosystem", "rising"),
    [
        ("maven", ["1", "1.1"]),
        ("maven", ["1-snapshot", "1", "1-sp"]),
        ("maven", ["1-alpha-1", "1-b2", "1-milestone", "1-cr1", "1-SNAPSHOT", "1-ga", "1-sp", "1-foo2", "1-foo10"]),
        ("maven", ["1.foo", "1-1", "1.1"]),
        ("maven", ["1-sp-1", "1-ga-1"]),
        ("maven", ["1-ga.1", "1-sp.1"]),
        ("maven", ["1.5.6", "1.5.6-10", "1.5.7"]),
        ("maven", ["2.0-alpha1", "2.0-beta9", "2.0", "12.0.22", "12.0.36"]),
        ("maven", ["1-1.foo-bar-1-baz", "1-1.foo-bar1baz-.1"]),
        ("npm", ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"]),
        ("cargo", ["1.0.0-rc.1", "1.0.0", "1.0.10", "22.9.29"]),
        ("golang", ["v0.0.0-20181116215533-9bd4a3295021", "v0.1.0", "v4.1.0+incompatible", "v10.0.0"]),
        ("pypi", ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.10", "1!0.1"]),
    ],
)
def test_versions_rise_as_their_ecosystem_says(ecosystem: str, rising: list[str]) -> None:
    keys = [order(ecosystem)(version) for version in rising]
    assert all(one < other for one, other in pairwise(keys))


@pytest.mark.parametrize(
    ("ecosystem", "same"),
    [
        ("maven", ["1", "1.0", "1.0.0", "1-0", "1.ga", "1-ga", "1.0.0-0.0", "1-Final", "1."]),
        ("maven", ["1-foo", "1.foo", "1.0.0-foo.0.0"]),
        ("maven", ["1-a1", "1-alpha-1"]),
        ("maven", ["1-1", "1-ga-1"]),
        ("maven", ["3.30.2-GA", "3.30.2"]),
        ("npm", ["1.2", "1.2.0", "1.2.0+build"]),
        ("pypi", ["1.0", "1.0.0"]),
    ],
)
def test_what_says_the_same_is_the_same(ecosystem: str, same: list[str]) -> None:
    first, *others = [order(ecosystem)(version) for version in same]
    assert all(first == other for other in others)


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("pypi", "newest"),
        ("npm", ""),
        ("cargo", "x.1"),
        ("golang", "v"),
        ("maven", "[1,2)"),
        ("maven", "-"),
        ("npm", "1..2"),
    ],
)
def test_what_is_no_version_is_not_compared(ecosystem: str, version: str) -> None:
    with pytest.raises(ValueError, match="version"):
        order(ecosystem)(version)
