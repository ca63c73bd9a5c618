"""How long things are kept, as settings say it."""

from __future__ import annotations

import pytest

from connectors.privacy.retention import Retention
from connectors.settings import SettingsError, load_settings


def test_names_and_days_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", " iomt.vitals=14, clinical.orders = ever ,")
    monkeypatch.setenv("DOSETWIN_KEEP_BUCKETS", "dosetwin=400")
    found = load_settings(Retention)
    assert found.of_topics() == {"iomt.vitals": 14, "clinical.orders": None}
    assert found.of_buckets() == {"dosetwin": 400}
    monkeypatch.setenv("DOSETWIN_KEEP_TOPICS", "")
    assert load_settings(Retention).of_topics() == {}


@pytest.mark.parametrize("text", ["14", "=14", "a=", "a=0", "a=1.5", "a=36501", "a=-1", "a=soon", "a=1,a=2"])
def test_what_cannot_be_read_names_variable_value_and_mend(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_KEEP_BUCKETS", text)
    with pytest.raises(SettingsError, match=r"DOSETWIN_KEEP_BUCKETS='.*: .*(write NAME=DAYS|leave one of them out)"):
        load_settings(Retention)
