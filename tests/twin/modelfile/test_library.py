"""Models by id: those that come with dosetwin and those that packages beside it bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins import install
from tests.twin.population.mixture.mixtures import eliminated
from twin.model.spec import ModelError
from twin.modelfile.library import library, library_ids, load_model, loaded_library
from twin.modelfile.template import template


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages; the models are looked for anew before and after."""
    monkeypatch.syspath_prepend(str(tmp_path))
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


FEWEST_WORDS = 3


def test_every_parameter_of_every_model_says_what_it_means() -> None:
    notes = {(name, one.name): one.note or "" for name in library_ids() for one in load_model(name).parameters}
    assert len(notes) > 600
    assert [names for names, note in notes.items() if len(note.split()) < FEWEST_WORDS] == []


def test_a_mixture_is_loaded_only_for_who_can_follow_it(tmp_path: Path) -> None:
    file = tmp_path / "made.toml"
    file.write_text(eliminated().text)
    assert load_model(file, mixtures=True).mixture == eliminated().mixture
    with pytest.raises(ModelError) as raised:
        load_model(file)
    assert "delete [mixture], then SORT can be reported" in str(raised.value)
    assert "1 (slow), 2 (fast)" in str(raised.value)
    # As it says.
    text = eliminated().text
    file.write_text(text.split("[mixture]")[0] + "[cadence]" + text.split("[cadence]")[1])
    assert load_model(file).mixture is None


def test_models_of_an_installed_package_are_loaded_by_id(installed: Path) -> None:
    ours = set(library_ids())
    library.cache_clear()
    files = {"ward_models/paclitaxel_ward2031.toml": template("paclitaxel_ward2031"), "ward_models/notes.txt": "-"}
    install(installed, "ward-models", files, {"dosetwin.models": {"ward": "ward_models"}})
    assert set(library_ids()) - ours == {"paclitaxel_ward2031"}
    assert load_model("paclitaxel_ward2031").id == "paclitaxel_ward2031"
    plugin = library().named("paclitaxel_ward2031")
    assert plugin is not None
    assert plugin.origin == "ward-models 1.0"


def test_an_id_that_is_ours_stays_ours_and_the_clash_is_named(installed: Path) -> None:
    before = load_model("docetaxel_ozawa2007")
    library.cache_clear()
    files = {"twin_models/docetaxel_ozawa2007.toml": template("docetaxel_ozawa2007")}
    install(installed, "clash", files, {"dosetwin.models": {"m": "twin_models"}})
    assert load_model("docetaxel_ozawa2007") == before
    (broken,) = library().broken
    assert str(broken) == (
        "model docetaxel_ozawa2007 of clash 1.0: the name 'docetaxel_ozawa2007' is taken by dosetwin; "
        "give it another name"
    )


def test_two_packages_may_call_their_folder_the_same(installed: Path) -> None:
    for name in ("abe", "zoe"):
        files = {f"{name}_models/{name}_2031.toml": template(f"{name}_2031")}
        install(installed, name, files, {"dosetwin.models": {"models": f"{name}_models"}})
    assert {"abe_2031", "zoe_2031"} <= set(library_ids())
    assert library().broken == ()


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("no_models_here", "has no model file; name the package (folder) that the files, ID.toml each, are in"),
        ("no_models_here.module", "is no package; name the package (folder) that the model files are in"),
        ("no_such_models", "cannot be imported (ModuleNotFoundError: No module named 'no_such_models')"),
    ],
)
def test_what_is_no_folder_of_models_is_left_out_and_says_why(installed: Path, names: str, reason: str) -> None:
    files = {"no_models_here/__init__.py": "", "no_models_here/module.py": ""}
    install(installed, "empty", files, {"dosetwin.models": {"m": names}})
    (broken,) = library().broken
    assert reason in str(broken)


def test_a_file_of_a_package_that_is_no_model_is_refused_when_it_is_loaded(installed: Path) -> None:
    install(installed, "bad", {"bad_models/x_2031.toml": "id = 3"}, {"dosetwin.models": {"m": "bad_models"}})
    (installed / "bad_models" / "y_2031.toml").write_bytes(b"\xff\xfe")
    for name in ("x_2031", "y_2031"):
        with pytest.raises(ModelError, match=f"^{name}.toml"):
            load_model(name)


@pytest.mark.slow
def test_a_file_that_is_no_model_leaves_the_others_of_the_library(installed: Path) -> None:
    install(installed, "bad", {"odd_models/x_2031.toml": "id = 3"}, {"dosetwin.models": {"m": "odd_models"}})
    found = loaded_library()
    assert set(found.names) == set(library_ids()) - {"x_2031"}
    assert [(broken.name, broken.origin, broken.mend) for broken in found.broken] == [
        ("x_2031", "bad 1.0", "correct the file, or get bad 1.0 anew")
    ]
    assert [plugin.offer.id for plugin in found.plugins] == list(found.names)
    assert all(plugin.summary == plugin.offer.title for plugin in found.plugins)
