"""Files are found in folders and archives; an archive reaches nothing outside of itself."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from driftline.data.formats.source import open_source
from driftline.errors import DatasetError


def a_zip(path, entries):
    with zipfile.ZipFile(path, "w") as zipped:
        for name, text in entries.items():
            zipped.writestr(name, text)
    return path


def a_tar(path, entries, links=()):
    with tarfile.open(path, "w:gz") as tarred:
        for name, text in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tarred.addfile(info, io.BytesIO(text.encode()))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tarred.addfile(info)
    return path


@pytest.mark.parametrize(("make", "name"), [(a_zip, "set.zip"), (a_tar, "set.tar.gz"), (a_tar, "set.tgz")])
def test_archives_are_read_as_the_folder_that_they_hold(tmp_path, make, name):
    path = make(tmp_path / name, {"set/ratings.dat": "1::2::3::4", "set/readme": "x", "__MACOSX/ratings.dat": "no"})
    with open_source(path) as source:
        assert [one.name for one in source.files] == ["ratings.dat", "readme"]
        found = source.need("RATINGS.dat", what="ratings")
        assert found.read_text() == "1::2::3::4"
    assert not found.exists()


@pytest.mark.parametrize(("make", "name"), [(a_zip, "set.zip"), (a_tar, "set.tar.gz")])
@pytest.mark.parametrize(
    "entry", ["../outside.txt", "a/../../outside.txt", "/driftline-outside.txt", "..\\outside.txt"]
)
def test_an_entry_that_points_outside_is_refused(tmp_path, make, name, entry):
    path = make(tmp_path / name, {"fine.txt": "x", entry: "y"})
    with pytest.raises(DatasetError, match="harmless archive"), open_source(path):
        pass
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path.parent / "outside.txt").exists()


def test_links_in_an_archive_are_not_followed(tmp_path):
    path = a_tar(tmp_path / "set.tar.gz", {"a.txt": "x"}, links=[("passwords.txt", "/etc/passwd")])
    with open_source(path) as source:
        assert [one.name for one in source.files] == ["a.txt"]


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_a_damaged_archive_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DatasetError, match="download it again"), open_source(tmp_path / name):
        pass


def test_a_file_named_alone_stands_for_the_source_and_those_beside_it_may_help(tmp_path):
    for name in ("a.txt", "b.txt", "more.json"):
        (tmp_path / name).write_text("x")
    with open_source(tmp_path / "b.txt") as source:
        assert source.need("*.txt", what="text").name == "b.txt"
        assert source.find("*.json").name == "more.json"
        with pytest.raises(DatasetError, match=r"expected \*\.json .* got b\.txt"):
            source.need("*.json", what="numbers")


def test_a_wrong_source_names_what_was_expected_and_what_is_there(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with open_source(tmp_path) as source, pytest.raises(DatasetError) as error:
        source.need("u.data", "ratings.dat", what="ratings")
    assert "expected u.data or ratings.dat (ratings)" in str(error.value)
    assert "got a.txt" in str(error.value)
    with pytest.raises(DatasetError, match="does not exist"), open_source(tmp_path / "nothing"):
        pass
