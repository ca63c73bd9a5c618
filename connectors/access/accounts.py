"""The file of accounts and tokens: who may log in, and as what. No secret stands there, and others may not read it.

::

    {"accounts": [{"name": "nurse-7", "role": "clinician", "patients": "WARD3-*", "password": "$argon2id$..."}],
     "tokens": [{"name": "board-3", "role": "viewer", "patients": "*", "sha256": "9f86...",
                 "expires": "2027-01-31T00:00:00Z"}]}

Commands write it (``dosetwin account``), each change in one step; a console reads it again when it has changed. A file
that cannot be trusted lets nobody in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from filelock import FileLock
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.access.passwords import check, hashed
from connectors.access.roles import Role, Who
from connectors.alert_filter import Globs, globs_of
from connectors.services.run_state import replace_private
from twin.events.envelope import STAFF_ID_IN_WORDS, StaffId
from twin.events.malformed import first_fault

HOW = "dosetwin account add NAME --role viewer --patients '*'"


class AccountsError(ValueError):
    """The file cannot be used, or a change of it not made; the message names file, field, value and mend."""


def _some(patients: str) -> str:
    if not globs_of(patients):
        raise ValueError("no pattern: write pseudonyms or patterns such as WARD3-*, or * for all")
    return patients


Patients = Annotated[Globs, Field(min_length=1, max_length=4000), AfterValidator(_some)]
"""The patients that may be seen: patterns as those of alert filters, ``*`` for all."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Holder(_Strict):
    """Somebody with a role, and the patients that may be seen."""

    name: StaffId
    role: Role
    patients: Patients
    disabled: bool = False

    @property
    def who(self) -> Who:
        """As whom they are let in."""
        return Who(self.name, self.role, globs_of(self.patients))


class Account(Holder):
    """Somebody who logs in with a password; ``password`` is what is kept of it."""

    password: Annotated[str, Field(pattern=r"^\$argon2id\$", repr=False)]


class Token(Holder):
    """A program that shows a token; ``sha256`` is what is kept of it."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    expires: AwareDatetime


class Accounts(_Strict):
    """All accounts and tokens, no name twice."""

    accounts: tuple[Account, ...] = ()
    tokens: tuple[Token, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [each.name.lower() for each in self.each]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"name {name!r} is there twice: everybody has their own")
        return self

    @property
    def each(self) -> tuple[Account | Token, ...]:
        """Everybody."""
        return (*self.accounts, *self.tokens)

    def account(self, name: str) -> Account | None:
        """The account of that name that may log in."""
        return next((one for one in self.accounts if one.name == name and not one.disabled), None)

    def with_account(self, name: str, role: str, patients: str, password: str) -> Accounts:
        """One account more; raises `ValueError` where it cannot be."""
        check(password, name)
        made = {"name": name, "role": role, "patients": patients, "password": hashed(password)}
        return self._with(accounts=(*self.accounts, Account.model_validate(made)))

    def with_token(self, token: Token) -> Accounts:
        """One token more; raises `ValueError` where its name is taken."""
        return self._with(tokens=(*self.tokens, token))

    def with_password(self, name: str, password: str) -> Accounts:
        """Another password for an account; raises `ValueError` where there is none of that name."""
        check(password, name)
        self._known(name, self.accounts)
        return self._changed(name, password=hashed(password))

    def with_disabled(self, name: str, *, disabled: bool) -> Accounts:
        """An account or token that is let in no more, or again; raises `ValueError` where there is none."""
        self._known(name, self.each)
        return self._changed(name, disabled=disabled)

    def _with(self, **parts: object) -> Accounts:
        return Accounts.model_validate({"accounts": self.accounts, "tokens": self.tokens} | parts)

    def _changed(self, name: str, **fields: object) -> Accounts:
        def of(each: Account | Token) -> Account | Token:
            return each.model_copy(update=fields) if each.name == name else each

        return self._with(accounts=tuple(map(of, self.accounts)), tokens=tuple(map(of, self.tokens)))

    def _known(self, name: str, among: tuple[Account | Token, ...]) -> None:
        names = sorted(each.name for each in among)
        if name not in names:
            there = f"there are {', '.join(names[:20])}" if names else f"there is none yet: {HOW}"
            raise ValueError(f"name {name!r} is unknown; {there}")


class AccountsFile:
    """One such file.

    >>> AccountsFile(Path("/nowhere/accounts.json")).read()
    Traceback (most recent call last):
    connectors.access.accounts.AccountsError: /nowhere/accounts.json is not there; ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int, int] | None = None
        self._known = Accounts()

    def read(self) -> Accounts:
        """Everybody, as the file says now.

        Raises:
            AccountsError: it is not there, cannot be read, or others than its owner may read it.
        """
        try:
            found = self.path.stat()
            seen = found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
            if seen == self._seen:
                return self._known
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise AccountsError(
                    f"{self.path} may be read by others, or is another user's: chown it to who runs this, and chmod 600"
                )
            self._known = Accounts.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            raise AccountsError(f"{self.path} is not there; it is made by {HOW} --accounts {self.path}") from None
        except ValidationError as error:
            raise AccountsError(f"{self.path}: {_in_words(error)}") from None
        except OSError as error:
            raise AccountsError(f"{self.path}: {error.strerror}") from None
        self._seen = seen
        return self._known

    def change(self, how: Callable[[Accounts], Accounts]) -> Accounts:
        """Write what ``how`` makes of everybody, one change after another; a file that is not there begins empty.

        Raises:
            AccountsError: the file cannot be read or written, or ``how`` refuses.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(f"{self.path}.lock", mode=0o600):
                changed = how(self.read() if self.path.exists() else Accounts())
                replace_private(self.path, changed.model_dump_json(indent=2, exclude_defaults=True) + "\n")
        except ValidationError as error:
            raise AccountsError(_in_words(error)) from None
        except AccountsError:
            raise
        except ValueError as error:
            raise AccountsError(str(error)) from None
        except OSError as error:
            raise AccountsError(f"{self.path}: {error.strerror or error}") from None
        return changed


def _in_words(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    named = fault["type"] == "string_pattern_mismatch" and fault["loc"][-1] == "name"
    return f"field 'name': {STAFF_ID_IN_WORDS}" if named else first_fault(error, whole="")
