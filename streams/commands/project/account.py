"""``dosetwin account add|list|password|disable|enable|token``: who may log in to the console, or a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.terminal.options import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.access.accounts import Accounts

app = typer.Typer(
    name="account", no_args_is_help=True, help="Who may log in to the console, and tokens of programs; kept in a file."
)

File = Annotated[
    Path,
    typer.Option(
        "--accounts", envvar="DOSETWIN_CONSOLE_ACCOUNTS", help="the file of accounts, which the console is given too"
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="a pseudonym, never a person's name: who acts is told by it")]
Role = Annotated[
    str,
    typer.Option("--role", help="viewer (looks), clinician (also acts and asks) or engineer (also sees dead letters)"),
]
Patients = Annotated[
    str, typer.Option("--patients", help="pseudonyms that are seen, as P-1,WARD3-*,!WARD3-9; '*' for all patients")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", exists=True, dir_okay=False, help="its first line is the password; asked for without it"
    ),
]


@app.command(
    epilog=examples(
        "dosetwin account add nurse-7 --role clinician --patients 'WARD3-*' --accounts accounts.json",
        "dosetwin account add viewer-1 --role viewer --patients '*' --password-file first.txt --accounts accounts.json",
    )
)
def add(name: Name, accounts: File, role: Role, patients: Patients, password_file: PasswordFile = None) -> None:
    """Make an account. The file is made where there is none, for your eyes alone."""
    password = _password(password_file)
    _change(accounts, lambda all_: all_.with_account(name, role, patients, password))
    typer.echo(f"{name}: {role} of {patients}")


@app.command("list", epilog=examples("dosetwin account list --accounts accounts.json"))
def list_(accounts: File) -> None:
    """Accounts and tokens: name, role, patients, and whether they are let in."""
    from datetime import UTC, datetime

    from connectors.access.accounts import AccountsError, AccountsFile, Token

    try:
        each = AccountsFile(accounts).read().each
    except AccountsError as error:
        _leave(error)
    for one in each:
        ends = one.expires if isinstance(one, Token) else None
        over = "expired" if ends and ends <= datetime.now(UTC) else f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
        kind = "token" if ends else "account"
        stands = "disabled" if one.disabled else over
        typer.echo("  ".join(part for part in (one.name, kind, one.role, one.patients, stands) if part))


@app.command(epilog=examples("dosetwin account password nurse-7 --accounts accounts.json"))
def password(name: Name, accounts: File, password_file: PasswordFile = None) -> None:
    """Give an account another password; its sessions end."""
    chosen = _password(password_file)
    _change(accounts, lambda all_: all_.with_password(name, chosen))
    typer.echo(f"{name}: another password; its sessions have ended")


@app.command(epilog=examples("dosetwin account disable nurse-7 --accounts accounts.json"))
def disable(name: Name, accounts: File) -> None:
    """Let an account or a token in no more; its sessions and streams end at once."""
    _change(accounts, lambda all_: all_.with_disabled(name, disabled=True))
    typer.echo(f"{name}: disabled")


@app.command(epilog=examples("dosetwin account enable nurse-7 --accounts accounts.json"))
def enable(name: Name, accounts: File) -> None:
    """Let an account or a token in again."""
    _change(accounts, lambda all_: all_.with_disabled(name, disabled=False))
    typer.echo(f"{name}: enabled")


@app.command(
    epilog=examples(
        "dosetwin account token board-3 --role viewer --patients 'WARD3-*' --days 90 --accounts accounts.json"
    )
)
def token(
    name: Name,
    accounts: File,
    role: Role,
    patients: Patients,
    days: Annotated[float, typer.Option("--days", help="for which it is good, 366 at most")] = 30,
) -> None:
    """Make a token for a program and print it, this once: the file keeps a digest of it."""
    from datetime import UTC, datetime

    from connectors.access.tokens import new_token

    shown: list[str] = []

    def with_token(all_: Accounts) -> Accounts:
        text, kept = new_token(name, role, patients, days, datetime.now(UTC))
        shown.append(text)
        return all_.with_token(kept)

    _change(accounts, with_token)
    typer.echo(shown[0])


def _password(path: Path | None) -> str:
    """The first line of a file, or what is typed unseen, twice; never an argument, which others on the machine see."""
    if path is None:
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed
    try:
        return next(iter(path.read_text(encoding="utf-8").splitlines()), "")
    except (OSError, UnicodeDecodeError) as error:
        _leave(f"--password-file {path}: {type(error).__name__}; give a text file whose first line is the password")


def _change(path: Path, how: Callable[[Accounts], Accounts]) -> None:
    from connectors.access.accounts import AccountsError, AccountsFile

    try:
        AccountsFile(path).change(how)
    except AccountsError as error:
        _leave(error)


def _leave(why: object) -> NoReturn:
    typer.echo(f"dosetwin: {why}", err=True)
    raise typer.Exit(1)
