"""The bill of materials of a run, held to CycloneDX's own schema."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from container_doors import pipeline
from container_doors.adapters.distributions import installed_packages
from container_doors.core.config import Data, Params, Training
from container_doors.core.ports import Installed
from container_doors.core.records import Artifact, CodeState, RunRecord
from container_doors.core.run import Run
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.materials import bill_of_materials
from tests.builders import a_record, a_small_dataset
from tests.fakes import FakeWorld

MODEL = Artifact(sha256="ab" * 32, size_bytes=1)
PACKAGES = [
    Installed("numpy", "2.5.0", "BSD-3-Clause", None, None),
    Installed("torch", "2.10.0+cu128", None, "BSD License", "cd" * 32),
    Installed("unlicensed", "1", None, None, None),
]


@pytest.mark.slow
def test_what_is_installed_here_makes_a_document_of_the_schema():
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # compiles a grammar: 3 s

    document = json.dumps(bill_of_materials(a_record(), MODEL, installed_packages()))

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    assert '"pkg:pypi/ultralytics-opencv-headless@' in document


def test_the_same_run_gives_the_same_bytes_and_names_model_data_and_code():
    record = a_record()
    document = bill_of_materials(record, MODEL, PACKAGES)

    assert document == bill_of_materials(record, MODEL, list(PACKAGES))
    assert document["metadata"]["component"]["hashes"][0]["content"] == MODEL.sha256
    by_ref = {one["bom-ref"]: one for one in document["components"]}
    assert by_ref["data"]["hashes"][0]["content"] == record.dataset.sha256
    assert by_ref["code"]["pedigree"]["commits"] == [{"uid": record.code.commit}]
    assert set(document["dependencies"][0]["dependsOn"]) == set(by_ref)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (CodeState(commit="c" * 40, clean=True), ["training code"]),
        (CodeState(commit="c" * 40, clean=False), ["training code, with changes"]),
        (CodeState(commit=None, clean=None), []),
    ],
)
def test_a_commit_that_is_not_all_of_the_code_is_not_said_to_be(code: CodeState, names: list[str]):
    components = bill_of_materials(a_record(code=code), MODEL, PACKAGES)["components"]

    assert [one["name"] for one in components if one["type"] == "application"] == names


def test_a_hash_stands_only_where_the_file_was_hashed():
    components = bill_of_materials(a_record(), MODEL, PACKAGES)["components"]
    libraries = {one["name"]: one for one in components if one["type"] == "library"}

    assert "hashes" not in libraries["numpy"]
    assert libraries["torch"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert libraries["torch"]["purl"] == "pkg:pypi/torch@2.10.0%2Bcu128"
    assert libraries["numpy"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert "licenses" not in libraries["unlicensed"]


def test_an_expression_and_the_hash_of_an_archive_are_read_off_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, text in {"Some_Lib": '{"archive_info": {"hashes": {"sha256": "%s"}}}' % ("ef" * 32),
                       "broken": "{", "odd": '{"archive_info": {"hashes": {"sha256": "no"}}}',
                       "list": "[]"}.items():  # fmt: skip
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "direct_url.json").write_text(text)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\nLicense-Expression: MIT\n"
        )
    (tmp_path / "half-1.dist-info").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    found = {one.name: one for one in installed_packages()}

    assert set(found) == {"some-lib", "broken", "odd", "list"}
    assert found["some-lib"] == Installed("some-lib", "1", "MIT", None, "ef" * 32)
    assert {one.sha256 for one in found.values()} == {None, "ef" * 32}


def test_a_trained_run_has_one_and_its_metadata_is_bound_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    params = Params(
        data=Data(min_train_images=2, min_val_images=1),
        training=Training(epochs=3, batch_size=2, learning_rate=0.001),
    )
    a_small_dataset(tmp_path / params.data.path)
    monkeypatch.chdir(tmp_path)
    run = Run("exp1")
    world = replace(FakeWorld().world, installed=lambda: PACKAGES)

    metadata = pipeline.train(params, run, world=world)

    document = json.loads(run.materials.read_text())
    weights = RunRecord.read(run.record).artifacts["best.pt"].sha256
    assert document["metadata"]["component"]["hashes"][0]["content"] == weights
    assert metadata.records["sbom.cdx.json"] == file_sha256(run.materials)
