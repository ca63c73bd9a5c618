"""A prior from its file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from twin.population.prior import Prior, PriorError


def read_prior(path: Path) -> Prior:
    """What a TOML file says is known of a population's numbers.

    Raises:
        PriorError: it cannot be read, or says what cannot be.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PriorError(f"--prior {path}: {error}; give a TOML file") from None
    return Prior.read(content)
