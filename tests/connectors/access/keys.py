"""A file with one account of each role and one token, and the passwords to it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from connectors.access.accounts import AccountsFile
from connectors.access.tokens import new_token

PASSWORD = "four words of a ward"

ROLES = {"viewer-1": ("viewer", "P-1"), "nurse-7": ("clinician", "P-1,P-2"), "engineer-2": ("engineer", "*")}
"""Accounts: each with its role and the patients that it sees."""


def accounts_in(folder: Path, **more: tuple[str, str]) -> AccountsFile:
    """The file, with further accounts (``_`` in a name is ``-``)."""
    file = AccountsFile(folder / "accounts.json")
    named = {name.replace("_", "-"): said for name, said in more.items()}
    for name, (role, patients) in (ROLES | named).items():
        file.change(lambda all_, name=name, role=role, group=patients: all_.with_account(name, role, group, PASSWORD))
    return file


def token_in(file: AccountsFile, name: str, role: str, patients: str, days: float, now: datetime) -> str:
    """A new token of that file."""
    text, token = new_token(name, role, patients, days, now)
    file.change(lambda all_: all_.with_token(token))
    return text
