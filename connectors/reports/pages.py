"""Pages from templates: whole HTML files that ask nothing of anyone, so that they can be mailed and kept."""

from __future__ import annotations

import functools

from jinja2 import Environment, PackageLoader, StrictUndefined

from twin.writing import number, unit


def page(template: str, **facts: object) -> str:
    """The page that ``template`` makes of ``facts``; everything but drawings is escaped."""
    return _environment().get_template(template).render(**facts)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("connectors.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}".removesuffix(".0") + " %"
    # JSON has no number for what is none.
    environment.filters["g"] = lambda value, digits=3: "–" if value is None else number(value, digits)
    environment.filters["unit"] = unit
    environment.filters["figure"] = lambda value: "–" if value is None or value != value else number(value, 3)
    return environment
