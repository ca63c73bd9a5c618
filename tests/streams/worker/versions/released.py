"""A folder of releases with a toy model, and versions of it that are put there, signed or not."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.releases import ENDING, REVIEWERS, publish, sign
from tests.twin import toys
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

MODEL = toys.absorption()
DAY = date(2026, 3, 1)


def version_of(model: Model, name: str, clearance: float) -> Model:
    """The model with another typical clearance."""
    text = model.text.replace(f'id = "{model.id}"', f'id = "{name}"')
    return parse_model(text.replace("[parameters.CL]\nvalue = 6\n", f"[parameters.CL]\nvalue = {clearance:g}\n"), name)


WARD = version_of(MODEL, "toy_ward", 4.0)


class Folder:
    """Releases with one reviewer, and the model itself released."""

    def __init__(self, path: Path) -> None:
        self.path, self._key = path, Ed25519PrivateKey.generate()
        path.mkdir(mode=0o755)
        public = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        (path / REVIEWERS).write_text(f'[reviewers]\nA = "{public}"\n')
        (path / REVIEWERS).chmod(0o644)
        self.release(MODEL, "")
        (path / f"{MODEL.id}.toml").write_text(MODEL.text)

    def release(self, model: Model, replaces: str) -> None:
        """As 'dosetwin models sign' does."""
        publish(sign(model, self._key, "A", DAY, "looked at", replaces), model, self.path)

    def forge(self, model: Model, replaces: str) -> None:
        """A release that says of itself that it replaces a model, which its reviewer did not sign."""
        signed = replace(sign(model, self._key, "A", DAY, "looked at"), replaces=replaces)
        (self.path / f"{model.id}.toml").write_text(model.text)
        (self.path / f"{model.id}{ENDING}").write_text(signed.as_toml())
