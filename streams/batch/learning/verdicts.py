"""The state of a version that was learnt, in a file beside it: draft, reviewed, released.

``ID.version.toml`` says of which text (SHA-256) it is, from what it was learnt, and what the judgement found. A draft
is reviewed when patients it was not learnt from judged it; only one that they accepted can be released, and the
signature that releases it (`connectors.releases`) is of the same text.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from connectors.releases import digest
from streams.batch.cases import CaseError
from twin.learning.judgement import Verdict
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
    """

    model: str
    sha256: str
    structure: str
    state: State
    learnt_from: str
    patients: tuple[str, ...]
    judged: tuple[tuple[str, float], ...] = ()
    reasons: tuple[str, ...] = ()

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
        }
        lines = [f"{name} = {json.dumps(value, ensure_ascii=True)}" for name, value in said.items()]
        return "\n".join([*lines, "", "[judged]", *(f"{json.dumps(k)} = {v!r}" for k, v in self.judged)]) + "\n"


def fingerprint(patient_id: str) -> str:
    """A patient in a file that goes on to others: 16 hex digits."""
    return hashlib.sha256(f"learnt from {patient_id}".encode()).hexdigest()[:16]


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
        )  # fmt: skip
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}; 'dosetwin learn fit' writes it beside the draft") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaseError(f"{path}: cannot be read ({error}); learn the draft again") from None
    if (found.model, found.sha256) != (model.id, digest(model)):
        raise CaseError(f"{path}: is of another text than {model_file}; judge the file that was learnt, unchanged")
    return found


def reviewed(version: Version, verdict: Verdict) -> Version:
    """The version after it was judged."""
    figures = {
        "patients": float(verdict.patients),
        "better_by": verdict.better_by,
        "error": verdict.error,
        "p_value": verdict.p_value,
        **{f"better_by in {group.name}": group.better_by for group in verdict.groups},
    }
    return replace(version, state="reviewed", judged=tuple(figures.items()), reasons=verdict.reasons)
