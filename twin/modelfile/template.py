"""A model file to start from: it passes every check, says what each part is for, and shows what else could be said."""

from __future__ import annotations

import re
from importlib.resources import files

from twin.observation.kinds import USUAL, kinds

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def template(name: str) -> str:
    """The text of a new model file with this id.

    Raises:
        ValueError: a name that is no id.
    """
    if not _ID.fullmatch(name):
        raise ValueError(f"'{name}' cannot be an id; begin with a letter and use letters, digits and '_', at most 64")
    text = files("twin.modelfile").joinpath("template.toml").read_text(encoding="utf-8")
    other = (plugin.offer for plugin in kinds().plugins if plugin.name != USUAL)
    sketches = "\n".join(f'# kind = "{kind.name}": {kind.sketch}' for kind in other)
    return text.replace("MODEL_ID", name).replace("# OTHER_KINDS", sketches)
