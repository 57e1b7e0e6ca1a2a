"""Published sets of other people, as they are: row counts in are row counts out (`make soak`)."""

from __future__ import annotations

import pytest

from driftline.data.prepare import prepare
from driftline.data.reading import read_dataset

SETS = [
    # archive, source within it, format, events written, events read (without exact duplicates and impossible times)
    ("amazon_beauty_s3rec_time", "s3rec/data/Beauty.txt", "s3rec", 198_502, 198_502),
    ("amazon_beauty_s3rec_time", "amazon-timestamped", "s3rec", 198_373, 198_373),
    ("amazon_toys_s3rec", "s3rec", "s3rec", 167_597, 167_597),
    ("yelp_s3rec_time_text", "s3rec", "s3rec", 316_354, 316_354),
    ("mind_sample", "", "mind", 146_474, 146_474),
    ("deskdrop_interactions", "", "deskdrop", 72_312, 72_301),
    ("lastfm_hetrec_kg", "", "lastfm-hetrec", 85_015, 85_012),
    ("ml-100k_recbole", "", "recbole", 100_000, 100_000),
    ("open_bandit_men", "", "open-bandit", 115, 115),
]


@pytest.mark.soak
@pytest.mark.parametrize(("archive", "source", "format_", "n_written", "n_read"), SETS)
def test_rows_in_are_rows_out(tmp_path, unpacked, archive, source, format_, n_written, n_read):
    prepared = prepare(unpacked(archive) / source, format_, tmp_path / "out")
    for one in prepared.files:
        assert one.rows == one.kept + sum(left.count for left in one.left_out)
    assert prepared.tables["events"].height == n_written
    dataset = read_dataset(tmp_path / "out")
    assert len(dataset.log) == n_read
    if format_ == "lastfm-hetrec":
        has_topics = dataset.catalog.topics.getnnz(axis=1) > 0
        assert has_topics[dataset.log.item_row].mean() > 0.9
