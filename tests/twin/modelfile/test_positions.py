"""Every key of every library model is found where it stands."""

from __future__ import annotations

import doctest
import tomllib
from typing import Any

import pytest

from twin.modelfile import positions as module
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.positions import line_and_column, places

TEXT = '''
title = "a # b" # comment
note = """
[not.a.table]
x = "1" """
'quoted' . "key" = [1, 2, [3, 4]]  # ]
[[list]]
one = { two = [ { three = 1 } ], "four" = 'a = b' }
[list.inner]
x = 1_000
[[list]]
one = [
  "a,b", # c
  "d]",
]
'''


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def value_at(content: Any, path: str) -> Any:
    for step in path.replace("[", ".[").split("."):
        content = content[int(step[1:-1])] if step.startswith("[") else content[step]
    return content


def checked(text: str) -> int:
    """That the text of each value reads as the value; how many there are."""
    content = tomllib.loads(text)
    entries = {
        path: place for path, place in places(text).items() if text[place.begin] != "[" or place.begin != place.key
    }
    for path, place in entries.items():
        if place.begin > place.key or "]" in path[-1:]:
            assert tomllib.loads(f"it = {text[place.begin : place.end]}")["it"] == value_at(content, path), path
    return len(entries)


def test_keys_are_found_through_texts_lists_and_comments() -> None:
    found = places(TEXT)
    assert checked(TEXT) == 16
    assert line_and_column(TEXT, found["list[1].one[1]"].key) == (14, 3)
    assert line_and_column(TEXT, found["list[0].one.two[0].three"].key) == (8, 19)
    assert line_and_column(TEXT, found["list[0].inner.x"].key) == (10, 1)
    assert line_and_column(TEXT, found["list[0].inner"].key) == (9, 1)


@pytest.mark.parametrize("name", library_ids())
def test_every_value_of_a_library_model_is_found(name: str) -> None:
    assert checked(load_model(name).text) > 40
