"""A saved sequence model is data: read in another process, refused when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from driftline.data.events import Histories
from driftline.errors import RunError, SaveError
from driftline.models.sequence import FittedGRU, FittedLSTM, SequenceFit
from driftline.models.storage import read_header, write_header


def weights_of(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


@pytest.fixture
def folder(gru: SequenceFit, tmp_path: Path) -> Path:
    gru.save(tmp_path)
    return tmp_path


def test_weights_and_a_header_are_all_there_is(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}
    assert json.loads((folder / "model.json").read_text())["model"] == "gru"


def test_another_process_gives_the_same_scores(folder: Path, gru: SequenceFit) -> None:
    code = (
        "import sys; from pathlib import Path; from driftline.models.sequence import FittedGRU; "
        "f = FittedGRU.load(Path(sys.argv[1])); print(*f.score_states(f.start())[0].tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    expected = gru.score_states(gru.start())[0]
    np.testing.assert_allclose(np.array(said.stdout.split(), np.float32), expected, atol=1e-6)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_is_refused(folder: Path, place: int) -> None:
    path = weights_of(folder)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(RunError, match="fit again"):
        FittedGRU.load(folder)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_missing_or_cut_file_is_refused(folder: Path, suffix: str) -> None:
    path = next(folder.glob(f"*{suffix}"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunError, match="fit again"):
        FittedGRU.load(folder)
    path.unlink()
    with pytest.raises(RunError, match="fit again"):
        FittedGRU.load(folder)


def test_another_model_or_another_version_is_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="lstm"):
        FittedLSTM.load(folder)
    header = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**header, "format": 999}))
    with pytest.raises(RunError, match="999"):
        FittedGRU.load(folder)


def test_settings_that_do_not_exist_are_refused(folder: Path) -> None:
    """Written whole and sealed, as a version to come might write it."""
    settings = read_header(folder, "gru")
    inner = next((value for value in settings.values() if isinstance(value, dict) and "dim" in value), settings)
    inner["heads"] = 4
    write_header(folder, "gru", settings, [weights_of(folder)])
    with pytest.raises(RunError, match="fit again"):
        FittedGRU.load(folder)


def test_a_folder_that_cannot_be_written_is_a_save_error(gru: SequenceFit, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="gru"):
        gru.save(tmp_path / "not there")


def test_a_fitted_model_is_a_value(gru: SequenceFit, everyone: Histories) -> None:
    """An update returns another model; the old one scores as before."""
    before = gru.score(everyone).copy()
    after = gru.update(everyone.log)
    np.testing.assert_array_equal(gru.score(everyone), before)
    assert np.abs(after.score(everyone) - before).max() > 1e-3
