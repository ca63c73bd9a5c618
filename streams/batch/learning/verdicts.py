"""The state of a version that was learnt, in a file beside it: draft, reviewed, released.

``ID.version.toml`` says of which text (SHA-256) it is, from what it was learnt, and what the judgement found. A draft
is reviewed when patients it was not learnt from judged it, which is written into the account of the version in use
(`streams.batch.learning.account`); only one that they accepted can be released, and the signature that releases it
(`connectors.releases`) is of the same text and of that account.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from connectors.releases import digest, sha256_of
from streams.batch.cases import CaseError
from streams.batch.learning.account import Account, account_of
from twin.learning.judgement import LEVEL, Verdict, ratio_text
from twin.model.spec import Model

ENDING = ".version.toml"

State = Literal["draft", "reviewed", "released"]


@dataclass(frozen=True)
class Version:
    """A version that was learnt.

    Attributes:
        model: its id, and ``sha256`` of its text.
        structure: of the model (`twin.learning.messages.structure`).
        learnt_from: how, from how many patients, and a hash over their messages.
        patients: fingerprints (`fingerprint`) of who it was learnt from, and so may not judge it.
        judged: what the judgement found, in numbers; empty of a draft.
        reasons: why it is not accepted.
        in_use: id of the version that it was judged against, and ``account``, SHA-256 of what was judged of all that
            were learnt to take its place; both empty of a draft.
    """

    model: str
    sha256: str
    structure: str
    state: State
    learnt_from: str
    patients: tuple[str, ...]
    judged: tuple[tuple[str, float], ...] = ()
    reasons: tuple[str, ...] = ()
    in_use: str = ""
    account: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it was judged and nothing speaks against it."""
        return self.state != "draft" and not self.reasons

    def as_toml(self) -> str:
        """For its file."""
        said: dict[str, Any] = {
            "model": self.model,
            "sha256": self.sha256,
            "structure": self.structure,
            "state": self.state,
            "learnt_from": self.learnt_from,
            "patients": list(self.patients),
            "reasons": list(self.reasons),
            "in_use": self.in_use,
            "account": self.account,
        }
        lines = [f"{name} = {json.dumps(value, ensure_ascii=True)}" for name, value in said.items()]
        return "\n".join([*lines, "", "[judged]", *(f"{json.dumps(k)} = {v!r}" for k, v in self.judged)]) + "\n"


def file_of(model_file: Path) -> Path:
    """Where the state of a model file stands."""
    return model_file.with_name(model_file.name.removesuffix(".toml") + ENDING)


def read_version(model: Model, model_file: Path) -> Version:
    """The state of a version.

    Raises:
        CaseError: there is none, or it is of another text.
    """
    path = file_of(model_file)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        found = Version(
            said["model"], said["sha256"], said["structure"], said["state"], said["learnt_from"],
            tuple(said["patients"]), tuple(said["judged"].items()), tuple(said["reasons"]),
            said["in_use"], said["account"],
        )  # fmt: skip
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}; 'dosetwin learn fit' writes it beside the draft") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaseError(f"{path}: cannot be read ({error}); learn the draft again") from None
    if (found.model, found.sha256) != (model.id, digest(model)):
        raise CaseError(f"{path}: is of another text than {model_file}; judge the file that was learnt, unchanged")
    return found


def reviewed(version: Version, verdict: Verdict, account: Account) -> Version:
    """The version after it was judged, with the account of the version in use as it is since."""
    figures = {
        "patients": float(verdict.patients),
        "judges": float(verdict.judges),
        "better_by": verdict.better_by,
        "error": verdict.error,
        "log_ratio": verdict.log_ratio,
        **{f"better_by in {group.name}": group.better_by for group in verdict.groups},
    }
    return replace(
        version, state="reviewed", judged=tuple(figures.items()), reasons=verdict.reasons, in_use=account.in_use,
        account=sha256_of(account.as_toml()),
    )  # fmt: skip


def evidence(version: Version, draft: Path) -> str:
    """The account that an accepted version rests on, as text.

    Raises:
        CaseError: it is not there, or another one since.
    """
    path = account_of(draft, version.in_use)
    try:
        found = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}; put back what 'dosetwin learn judge' wrote") from None
    if sha256_of(found) != version.account:
        raise CaseError(
            f"{path}: is not what {version.model} was accepted by: a later version was judged since, or it was altered;"
            " judge the one to be released again"
        )
    return found


def verdict_lines(verdict: Verdict) -> list[str]:
    """A verdict as text."""
    before = (
        f", {verdict.judges - verdict.patients} judged versions before it" if verdict.judges > verdict.patients else ""
    )
    lines = [
        f"{verdict.patients} patients: better by {verdict.better_by:.4g} (SE {verdict.error:.2g}) in log score{before}",
        f"running likelihood ratio {ratio_text(verdict.log_ratio)} of {verdict.judges} patients, accepted from "
        f"{1.0 / LEVEL:g} on",
    ]
    return lines + [
        f"  {group.name}: {group.patients} patients, better by {group.better_by:.4g}" for group in verdict.groups
    ]
