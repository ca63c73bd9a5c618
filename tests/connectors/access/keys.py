"""A file with one account of each role and one token, and the passwords to it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher

from connectors.access.accounts import Account, Accounts, AccountsFile
from connectors.access.tokens import new_token

PASSWORD = "four words of a ward"

ROLES = {"viewer-1": ("viewer", "P-1"), "nurse-7": ("clinician", "P-1,P-2"), "engineer-2": ("engineer", "*")}
"""Accounts: each with its role and the patients that it sees."""


CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""What is kept of it, as Argon2id too, but looked at in no time: there are hundreds of log-ins here."""


def accounts_in(folder: Path, **more: tuple[str, str]) -> AccountsFile:
    """The file, with further accounts (``_`` in a name is ``-``)."""
    file = AccountsFile(folder / "accounts.json")
    named = {name.replace("_", "-"): said for name, said in more.items()}
    accounts = [
        Account(name=name, role=role, patients=patients, password=CHEAP)  # type: ignore[arg-type]
        for name, (role, patients) in (ROLES | named).items()
    ]
    file.change(lambda _: Accounts(accounts=tuple(accounts)))
    return file


def token_in(file: AccountsFile, name: str, role: str, patients: str, days: float, now: datetime) -> str:
    """A new token of that file."""
    text, token = new_token(name, role, patients, days, now)
    file.change(lambda all_: all_.with_token(token))
    return text
