"""Preferences of readers: what may be chosen, what is refused and why, and that they outlast a console."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.access.preferences import UNITS, Preferences, PreferencesError, PreferencesFile, preferences_of
from twin.units import convert

BERLIN = Preferences(language="de", zone="Europe/Berlin", units={"creatinine": "mg/dL", "count": "/uL"})


def test_what_was_chosen_is_there_for_the_next_console_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "accounts.preferences.json"
    PreferencesFile(path).keep("nurse-7", BERLIN)
    PreferencesFile(path).keep("nurse-8", Preferences())
    again = PreferencesFile(path)
    assert (again.of("nurse-7"), again.of("nurse-8"), again.of("nurse-9")) == (BERLIN, Preferences(), Preferences())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_many_choose_at_once_is_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    names = [f"nurse-{n}" for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: PreferencesFile(path).keep(name, BERLIN), names))
    assert all(PreferencesFile(path).of(name) == BERLIN for name in names)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"zone": "Europe/Atlantis"}, "write an IANA name such as Europe/Berlin"),
        ({"zone": "../../etc/passwd"}, "time zone '../../etc/passwd' is unknown"),
        ({"zone": "Europe"}, "time zone 'Europe' is unknown"),
        ({"zone": ""}, "time zone '' is unknown"),
        ({"language": "fr"}, "language"),
        ({"units": {"creatinine": "furlong"}}, "'creatinine' in 'furlong' is not offered; choose of count: 10*9/L"),
        ({"units": {"height": "cm"}}, "'height' in 'cm' is not offered"),
        ({"sound": True}, "sound"),
        ([], ""),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_the_reason(said: object, reason: str) -> None:
    with pytest.raises(PreferencesError) as refused:
        preferences_of(said)
    assert reason in str(refused.value)


def test_a_file_that_is_broken_is_named_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    path.write_text("{")
    with pytest.raises(PreferencesError, match=r"preferences\.json: .*mend it, or remove it"):
        PreferencesFile(path).keep("nurse-7", BERLIN)
    assert path.read_text() == "{"


@pytest.mark.parametrize("kind", UNITS)
def test_every_unit_that_is_offered_is_one_of_its_kind(kind: str) -> None:
    first, *others = UNITS[kind]
    assert all(convert(1.0, first, other, molar_mass=100.0) > 0 for other in others)
