"""A model file to start from: it passes every check, says what each part is for, and shows what else could be said."""

from __future__ import annotations

from importlib.resources import files

from twin.names import NAME_IN_WORDS, is_name
from twin.observation.kinds import USUAL, kinds


def template(name: str) -> str:
    """The text of a new model file with this id.

    Raises:
        ValueError: a name that is no id.
    """
    if not is_name(name):
        raise ValueError(f"'{name}' cannot be an id; {NAME_IN_WORDS}")
    text = files("twin.modelfile").joinpath("template.toml").read_text(encoding="utf-8")
    other = (plugin.offer for plugin in kinds().plugins if plugin.name != USUAL)
    sketches = "\n".join(f'# kind = "{kind.name}": {kind.sketch}' for kind in other)
    return text.replace("MODEL_ID", name).replace("# OTHER_KINDS", sketches)
