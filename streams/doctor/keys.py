"""The store of patients' keys, as this process would use it."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import patient_keys
from connectors.settings import SettingsError
from streams.doctor.finding import Finding

SUBJECT = "patients' keys"


def check_keys() -> Iterator[Finding]:
    """Does the master key open the store, if one is set?"""
    try:
        keys = patient_keys()
    except (SettingsError, KeysUnusable) as error:
        yield Finding(SUBJECT, str(error), "mend what is named, or start what needs the keys without both settings")
        return
    if keys is None:
        yield Finding(SUBJECT, "no store is set (DOSETWIN_KEYS_STORE): state rows are stored in clear")
        return
    there, gone = keys.counted()
    yield Finding(SUBJECT, f"the master key opens the store: {there} keys, {gone} destroyed")
