"""Finding what can be added: in a room, in installed packages, and what is said of what cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins import install
from twin.registry import BrokenPlugin, Found, PluginError, attribute, discover, modules_of, summary_of

GROUP = "dosetwin.test_greetings"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path; what is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def greeting(offered: object) -> str:
    return attribute(offered, "GREETING", str, "write GREETING = 'text'")


def greetings(*rooms: str, mark: str | None = None) -> Found[str]:
    return discover("greeting", greeting, rooms=rooms, group=GROUP, mark=mark)


def test_modules_of_a_room_and_entry_points_are_found_and_say_what_they_are(folder: Path) -> None:
    install(folder, "hall", {"hall/__init__.py": "", "hall/b.py": '"""B.\n\nMore."""\nGREETING = "hi"\n'}, {})
    install(folder, "a-guest", {"guest.py": '"""A guest."""\nGREETING = "ho"\n'}, {GROUP: {"a": "guest"}}, "2.1")
    found = greetings("hall")
    assert [(p.kind, p.name, p.summary, p.origin, p.offer) for p in found.plugins] == [
        ("greeting", "a", "A guest.", "a-guest 2.1", "ho"),
        ("greeting", "b", "B.", "dosetwin", "hi"),
    ]
    assert found.broken == ()
    assert found.names == ("a", "b")
    assert found.offers == ("ho", "hi")
    b, nobody = found.named("b"), found.named("c")
    assert b is not None
    assert b.offer == "hi"
    assert nobody is None


def test_a_mark_tells_plugins_from_the_other_modules_of_their_room(folder: Path) -> None:
    files = {"hall/__init__.py": "", "hall/b.py": "GREETING = 'hi'", "hall/words.py": "LANGUAGE = 'English'"}
    install(folder, "hall", files, {})
    assert greetings("hall", mark="GREETING").names == ("b",)
    assert greetings("hall", mark="GREETING").broken == ()
    assert [broken.name for broken in greetings("hall").broken] == ["words"]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_module_anywhere", "cannot be imported (ModuleNotFoundError: No module named"),
        ("raise RuntimeError('no\\nluck')", "cannot be imported (RuntimeError: no luck)"),
        ("raise SystemExit('bye')", "cannot be imported (SystemExit: bye)"),
        ("GREETING = (", "cannot be imported (SyntaxError:"),
        ("", "has no GREETING; write GREETING = 'text'"),
        ("GREETING = 3", "GREETING is of type int, not str; write GREETING = 'text'"),
    ],
)
def test_a_broken_plugin_says_whose_it_is_and_what_to_mend_and_harms_no_other(
    folder: Path, module: str, reason: str
) -> None:
    install(folder, "bad", {"bad_guest.py": module}, {GROUP: {"bad": "bad_guest"}})
    install(folder, "good", {"good_guest.py": "GREETING = 'ho'"}, {GROUP: {"good": "good_guest"}})
    found = greetings()
    assert found.names == ("good",)
    (broken,) = found.broken
    assert str(broken).startswith(f"greeting bad of bad 1.0: {reason}")
    assert "\n" not in str(broken)
    assert broken.mend


def test_an_entry_point_that_names_nothing_is_broken(folder: Path) -> None:
    install(folder, "bad", {"bad_guest.py": ""}, {GROUP: {"x": "bad_guest:absent", "y": "absent_guest"}})
    assert [(broken.name, broken.reason.partition(" (")[0]) for broken in greetings().broken] == [
        ("x", "cannot be imported"),
        ("y", "cannot be imported"),
    ]


def test_a_name_stays_with_who_had_it_first_ours_before_others(folder: Path) -> None:
    install(folder, "hall", {"hall/__init__.py": "", "hall/a.py": "GREETING = 'ours'"}, {})
    for distribution in ("zoe", "abe"):
        files = {f"{distribution}_guest.py": f"GREETING = '{distribution}'"}
        install(folder, distribution, files, {GROUP: dict.fromkeys("ab", f"{distribution}_guest")})
    found = greetings("hall")
    assert [(plugin.name, plugin.offer) for plugin in found.plugins] == [("a", "ours"), ("b", "abe")]
    mend = "give it another name"
    assert found.broken == (
        BrokenPlugin("greeting", "a", "abe 1.0", "the name 'a' is taken by dosetwin", mend),
        BrokenPlugin("greeting", "a", "zoe 1.0", "the name 'a' is taken by dosetwin", mend),
        BrokenPlugin("greeting", "b", "zoe 1.0", "the name 'b' is taken by abe 1.0", mend),
    )


def test_a_plugin_may_name_itself(folder: Path) -> None:
    install(folder, "guest", {"guest.py": "GREETING = 'ho'"}, {GROUP: {"x": "guest"}})
    assert discover("greeting", greeting, group=GROUP, name_of=str.upper).names == ("HO",)


def test_modules_of_a_room_are_named_in_full_and_sorted() -> None:
    found = modules_of("twin")
    assert list(found) == sorted(found)
    assert {"twin.registry", "twin.alerts"} <= set(found)


def test_a_summary_is_the_first_line_of_the_docstring() -> None:
    assert summary_of(modules_of).startswith("Full names of the modules")
    assert summary_of(object()) == (object.__doc__ or "").strip().partition("\n")[0]
    assert summary_of(type("Silent", (), {})) == ""


def test_what_cannot_be_used_is_one_error_with_its_mend() -> None:
    with pytest.raises(PluginError, match=r"^has no GREETING; write GREETING = 'text'$"):
        greeting(object())
