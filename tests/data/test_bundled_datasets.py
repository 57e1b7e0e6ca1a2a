"""The bundled data is whole, has its notices, and becomes dataset folders."""

from __future__ import annotations

import re

import numpy as np
import pytest

from driftline.data.bundled import FOLDER, bundled_names, prepare_bundled, read_bundled
from driftline.data.reading import read_dataset
from driftline.errors import DatasetError, RequestError
from driftline.types import US_PER_DAY, parse_time


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return read_dataset(prepare_bundled("online-retail", tmp_path_factory.mktemp("bundled") / "shop"))


@pytest.mark.parametrize("name", bundled_names())
def test_every_row_is_kept_or_counted(name):
    prepared = read_bundled(name)
    assert prepared.tables["events"].height > 0
    for one in prepared.files:
        assert one.rows == one.kept + sum(left.count for left in one.left_out)
    assert "NOTICE.md" in prepared.notices


@pytest.mark.parametrize(
    ("name", "n_events", "n_items"),
    [("movietweetings", 100_000, 10_506), ("stackexchange-beer", 7_122, 1_029), ("online-retail", 406_829, 3_958)],
)
def test_published_counts(name, n_events, n_items):
    tables = read_bundled(name).tables
    assert (tables["events"].height, tables["items"].height) == (n_events, n_items)


def test_every_bundled_file_stands_in_the_notice_and_share_alike_data_has_its_own():
    notice = (FOLDER / "NOTICE.md").read_text()
    folders = [path for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) == 8
    for folder in folders:
        assert f"`{folder.name}/" in notice
    for folder in ("stackexchange_beer", "wikipedia_current_events"):
        assert "CC BY-SA" in (FOLDER / folder / "NOTICE.md").read_text()
    for path in re.findall(r"`([a-z_]+/[\w.]+)`", notice) + re.findall(r"`(\w+\.txt)`", notice):
        assert (FOLDER / path).is_file(), path


def test_the_shop_has_customers_cancellations_and_baskets(shop):
    assert (shop.log.n_users, shop.log.n_items, shop.repeats) == (4_372, 3_958, "allow")
    kinds = {kind.name: int((shop.log.kind == place).sum()) for place, kind in enumerate(shop.log.kinds)}
    assert kinds["cancellation"] == 8_872
    assert set(kinds) == {"purchase", "cancellation"}
    assert len(np.unique(shop.log.moment)) < len(shop.log) / 15


def test_a_day_s_temperature_is_known_when_the_day_is_over(shop):
    day = shop.context.filter(shop.context["time_us"] == parse_time("2010-12-20"))
    assert day["name"].to_list() == ["temperature"]
    assert day["value"][0] < 0
    assert day["known_at_us"][0] == parse_time("2010-12-21")


def test_holidays_are_always_known_and_other_occasions_from_their_day(shop):
    christmas = shop.occasions.filter(shop.occasions["name"] == "Christmas Day")
    assert (christmas["known_from_us"] < 0).all()
    others = shop.occasions.filter(shop.occasions["kind"] != "holiday")
    assert set(others["kind"]) == {"football", "television"}
    assert (others["known_from_us"] == others["start_us"]).all()
    assert (shop.occasions["end_us"] - shop.occasions["start_us"] == US_PER_DAY).all()


def test_questions_are_linked_and_there_from_when_they_were_asked(tmp_path):
    beer = read_dataset(prepare_bundled("stackexchange-beer", tmp_path / "beer"))
    assert beer.catalog.attributes["link"][0] == f"https://alcohol.stackexchange.com/questions/{beer.catalog.items[0]}"
    assert (beer.log.time_us >= beer.catalog.available_from_us[beer.log.item_row]).all()
    assert beer.catalog.has_topics
    assert "share-alike" in (tmp_path / "beer" / "NOTICE.md").read_text()


def test_what_was_taken_back_in_the_news_log_is_an_event_of_its_own_time(tmp_path):
    news = read_dataset(prepare_bundled("idea-news", tmp_path / "news"))
    kinds = {kind.name: kind for kind in news.log.kinds}
    assert {"answer", "bookmark", "favourite", "favourite_removed"} <= set(kinds)
    assert (kinds["favourite_removed"].weight, kinds["favourite_removed"].target) == (0, False)
    assert "removed" not in news.log.extra.columns
    assert "University of Zurich" in (tmp_path / "news" / "idea_LICENSE.txt").read_text()
    prepare_bundled("idea-news", tmp_path / "news", overwrite=True)


def test_the_bandit_sample_shows_what_was_shown(tmp_path):
    bandit = read_dataset(prepare_bundled("open-bandit", tmp_path / "bandit"))
    assert bandit.impressions.height == 20_000
    assert bandit.impressions["position"].unique().sort().to_list() == [1, 2, 3]
    assert bandit.impressions["reward"].sum() == len(bandit.log) == 80
    random = bandit.impressions.filter(bandit.impressions["policy"] == "random")
    assert np.allclose(random["propensity"], 1 / 80)


def test_unknown_names_and_taken_folders_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"among online-retail, .* got 'books'"):
        prepare_bundled("books", tmp_path / "books")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DatasetError, match="has files"):
        prepare_bundled("idea-news", tmp_path)
