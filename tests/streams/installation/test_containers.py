"""Containers of a ward: a file of its own that Compose takes, and what is laid over it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.installation.containers import compose_files
from streams.installation.folder import Ward, write
from tests import test_compose
from tests.test_compose import schema

__all__ = ["schema"]

MODELS = ("docetaxel_ozawa2007", "fluorouracil_yamada2025")


def laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """What Compose makes of two files: mappings are merged, lists lengthened, the rest replaced."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = laid_over(merged[key], value)
        elif isinstance(value, list) and isinstance(merged.get(key), list):
            merged[key] = merged[key] + value
        else:
            merged[key] = value
    return merged


@pytest.fixture(scope="module")
def parsed() -> dict[str, dict[str, Any]]:
    return {name: yaml.safe_load(text) for name, text in compose_files("east", MODELS, 3).items()}


@pytest.fixture(scope="module")
def whole(parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    base, ward, workers = parsed.values()
    return laid_over(laid_over(base, ward), workers)


def test_each_file_and_all_three_follow_the_compose_schema(
    parsed: dict[str, Any], whole: dict[str, Any], schema: dict[str, Any]
) -> None:
    import jsonschema  # which takes a second

    for one in (*parsed.values(), whole):
        jsonschema.Draft7Validator(schema).validate(one)


def test_three_workers_have_lasting_names_kernels_of_their_own_and_one_judgement(whole: dict[str, Any]) -> None:
    workers = {name: each for name, each in whole["services"].items() if name.startswith("worker")}
    assert [each["hostname"] for each in workers.values()] == ["worker-1", "worker-2", "worker-3"]
    assert {each["environment"]["DOSETWIN_WORKER_INSTANCE"] for each in workers.values()} == {"{host}"}
    kernels = [volume.partition(":")[0] for each in workers.values() for volume in each["volumes"] if "cache" in volume]
    assert len(set(kernels)) == 3
    assert set(kernels) <= set(whole["volumes"])
    first, *others = ({k: v for k, v in each.items() if k not in ("hostname", "volumes")} for each in workers.values())
    assert all(other == first for other in others)


def test_one_worker_is_enough_where_it_is_asked_for() -> None:
    alone = yaml.safe_load(compose_files("east", MODELS, 1)["compose.workers.yaml"])
    assert alone == {"services": {"worker": {"hostname": "worker-1"}}}


def test_all_who_make_or_read_topics_know_how_many_partitions_they_have(whole: dict[str, Any]) -> None:
    ours = [each for each in whole["services"].values() if each["image"].startswith("dosetwin:")]
    assert len(ours) > 10
    assert all("DOSETWIN_PARTITIONS" in each["environment"] for each in ours)


@pytest.mark.slow
def test_every_command_and_variable_is_one_of_dosetwin(whole: dict[str, Any]) -> None:
    built = copy.deepcopy(whole)
    for each in built["services"].values():
        if each["image"].startswith("dosetwin:"):
            each["build"] = "."
            each["environment"].pop("DOSETWIN_RULES", None)  # read by the worker's own option
    test_compose.test_every_command_is_one_that_dosetwin_accepts(built)
    test_compose.test_every_variable_given_to_our_services_is_one_that_they_read(built)


def test_nothing_is_built_and_what_is_mounted_is_in_the_folder(whole: dict[str, Any], tmp_path: Path) -> None:
    write(Ward("east"), tmp_path)
    for each in whole["services"].values():
        assert "build" not in each
        for mount in each.get("volumes", []):
            source = mount.split(":")[0]
            assert not source.startswith(".") or (tmp_path / source).exists(), mount
    assert whole["name"] == "dosetwin-east"
