"""Settings that cannot be used are refused with the variable, the value and the mend."""

from __future__ import annotations

import pytest

from connectors.settings import SettingsError, load_settings
from tests.connectors.sinks.telling.told import Settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("quiet_hours", "10pm-7am", "DOSETWIN_TOLD_QUIET_HOURS='10pm-7am': Value error, write hours as 22:00-07:00"),
        ("zone", "Mars/Base", "DOSETWIN_TOLD_ZONE='Mars/Base': Value error, no time zone of this name"),
        ("patients_file", "/nowhere/group", r"PATIENTS_FILE='/nowhere/group': .*FileNotFoundError.*name a text file"),
        ("lowest_severity", "grave", "DOSETWIN_TOLD_LOWEST_SEVERITY='grave': .*'low', 'medium' or 'high'"),
        ("rules", "tox/*", "DOSETWIN_TOLD_RULES="),
        ("flood", -1, "DOSETWIN_TOLD_FLOOD=-1"),
        ("flood_minutes", 0, "DOSETWIN_TOLD_FLOOD_MINUTES=0"),
    ],
)
def test_a_setting_that_cannot_be_used_says_what_would_do(name: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(Settings, **{name: value})
