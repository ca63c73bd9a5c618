"""What a feed says of itself, and what is said of something that is no feed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from connectors.feeds import SHARED, feeds, options_of
from connectors.feeds.stream import Stream
from tests.plugins import install
from twin.registry import PluginError

PULSE = """\"\"\"A pulse.

With nothing behind it.\"\"\"
from typing import Annotated
from connectors.feeds.stream import Stream
def open_feed(*, beats: Annotated[int, "how many"] = 3) -> Stream:
    return Stream([])
"""


NAMES = ("apple-health", "devices", "elastomeric", "fitbit", "messages", "ndjson", "nmtran", "ward")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages; the feeds are looked for anew before and after."""
    monkeypatch.syspath_prepend(str(tmp_path))
    feeds.cache_clear()
    yield tmp_path
    feeds.cache_clear()


def test_files_and_folders_of_the_room_are_feeds_and_the_modules_beside_them_are_not() -> None:
    assert feeds().broken == ()
    assert feeds().names == NAMES
    assert all(plugin.summary.endswith(".") for plugin in feeds().plugins)


def test_options_say_type_default_and_help() -> None:
    nmtran = feeds().named("nmtran")
    assert nmtran is not None
    files, model, columns, output, join, prefix_ids, where = options_of(nmtran.offer)
    told = (files.name, files.type, files.positional, files.default)
    assert told == ("files", list[Path], True, inspect.Parameter.empty)
    assert [(one.type, one.default, one.positional) for one in (join, prefix_ids)] == [(bool, False, False)] * 2
    assert (model.type, model.positional, model.default) == (str, False, inspect.Parameter.empty)
    assert columns.default == ""
    assert (output.type, output.help) == (str | None, "what DV is, where the file has no DVID")
    assert (where.type, where.default) == (list[str] | None, None)


def test_a_path_may_be_a_folder_where_the_feed_says_so() -> None:
    fitbit = feeds().named("fitbit")
    assert fitbit is not None
    assert [one.name for one in options_of(fitbit.offer) if one.folder] == ["export"]


def test_a_feed_of_an_installed_package_is_found(installed: Path) -> None:
    install(installed, "ward-feeds", {"pulse_feed.py": PULSE}, {"dosetwin.feeds": {"pulse": "pulse_feed"}})
    plugin = feeds().named("pulse")
    assert plugin is not None
    assert (plugin.summary, plugin.origin) == ("A pulse.", "ward-feeds 1.0")


def test_what_is_no_feed_is_left_out_and_says_why(installed: Path) -> None:
    files = {"no_feed.py": "", "own_kafka.py": PULSE.replace("beats", "kafka")}
    install(installed, "bad", files, {"dosetwin.feeds": {"none": "no_feed", "own": "own_kafka", "ward": "no_feed"}})
    assert [str(broken) for broken in feeds().broken] == [
        "feed none of bad 1.0: has no open_feed(...); write a function that returns a connectors.feeds.stream.Stream",
        "feed own of bad 1.0: open_feed's parameter kafka is an option of every feed; give it another name",
        "feed ward of bad 1.0: has no open_feed(...); write a function that returns a connectors.feeds.stream.Stream",
    ]
    assert feeds().names == NAMES


def plain(beats: int) -> Stream: ...  # type: ignore[empty-body]
def odd(*, beats: Annotated[complex, "how many"]) -> Stream: ...  # type: ignore[empty-body]
def nested(*, beats: Annotated[list[list[int]], "how many"]) -> Stream: ...  # type: ignore[empty-body]
def several(*beats: Annotated[int, "how many"]) -> Stream: ...  # type: ignore[empty-body]
def unknown(*, beats: Nowhere) -> Stream: ...  # type: ignore  # noqa: F821


@pytest.mark.parametrize(
    ("open_feed", "reason"),
    [
        (plain, "beats has no help; write beats: Annotated"),
        (odd, "beats is of type <class 'complex'>; use str, int, float, bool, Path, a list of them, or | None"),
        (nested, "beats is of type list"),
        (several, "beats cannot be named in a call"),
        (unknown, "signature of open_feed cannot be read (name 'Nowhere' is not defined)"),
    ],
)
def test_options_that_no_command_line_has_are_refused(open_feed: Callable[..., Any], reason: str) -> None:
    with pytest.raises(PluginError) as refused:
        options_of(SimpleNamespace(open_feed=open_feed))
    assert reason in str(refused.value)


def test_shared_options_are_those_of_the_command() -> None:
    import typer

    from streams.cli import app

    feed = typer.main.get_command(app).get_command(typer.Context(typer.main.get_command(app)), "feed")  # type: ignore[attr-defined]
    ndjson = feed.get_command(typer.Context(feed), "ndjson")
    assert [parameter.name for parameter in ndjson.params][1:] == list(SHARED)
