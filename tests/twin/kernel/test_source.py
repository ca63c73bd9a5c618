"""What the things of a model are called in its generated source."""

from __future__ import annotations

import ast

from tests.twin import toys
from twin.kernel.source import Lines, Scope
from twin.model.structure import analyse


def test_lines_are_indented() -> None:
    lines = Lines()
    lines.add(0, "for n in range(3):")
    lines.add(1, "pass", "pass")
    assert lines.text() == "for n in range(3):\n    pass\n    pass\n"


def test_no_name_of_a_model_meets_one_of_the_generated_code() -> None:
    model = toys.made(
        {"par": "1 1/h", "np": "2 mg"}, {"out": "mg: input(toxin) - par*out*(1 + daily(toxin)/np)"},
        {"level": "mg: out"}, extra=f"[covariates.z]\nunit = 'kg'\nreference = 70\n{toys.SOURCE}\n",
    )  # fmt: skip
    scope = Scope.of(model, analyse(model))
    assert scope.names["out"] == "m_out"
    assert scope.record == ("record_0",)
    assert scope.names["daily(toxin)"] == "record_0"
    lines = Lines()
    scope.bind_covariates(lines)
    assert lines.text() == "    m_z = cov[0]\n    record_0 = cov[1]\n"
    assert scope.source(ast.parse("np * t", mode="eval").body) == "(m_np * time)"
