"""Open Bandit, MIND and DeskDrop, in their published layouts."""

from __future__ import annotations

import pytest

from driftline.errors import DatasetError
from driftline.types import format_time

BANDIT = """,timestamp,item_id,position,click,propensity_score,\
user_feature_0,user_feature_1,user_feature_2,user_feature_3,user-item_affinity_0
0,2019-11-24 00:00:01+00:00,1,3,1,0.0125,a,b,c,d,0.0
1,2019-11-24 00:00:00.500000+00:00,0,1,0,0.2,a,b,c,e,1.5
2,2019-11-24 00:00:02.500000+00:00,0,1,0,high,a,b,c,e,0.0
"""
CONTEXT = ",item_id,item_feature_0,item_feature_1\n0,0,-0.5,x\n1,1,0.5,y\n"


def test_impressions_keep_position_propensity_and_reward_and_clicks_are_events(through, look):
    left_out, events, _ = look
    prepared, dataset = through("open-bandit", {"random/all/all.csv": BANDIT, "random/all/item_context.csv": CONTEXT})
    assert left_out(prepared) == {"unreadable_propensity_score": 1}
    shown = dataset.impressions
    assert shown.select("item_id", "position", "propensity", "reward", "policy").rows() == [
        ("0", 1, 0.2, 0, "random"),
        ("1", 3, 0.0125, 1, "random"),
    ]
    assert format_time(shown["time_us"][0]) == "2019-11-24T00:00:00.500000Z"
    assert shown["user-item_affinity_0"].to_list() == [1.5, 0]
    assert [item for _, item, kind in events(dataset) if kind == "click"] == ["1"]
    assert dataset.catalog.attributes["item_feature_0"].to_list() == [-0.5, 0.5]


def test_users_of_a_set_without_user_ids_are_made_from_their_features_the_same_in_every_run(through):
    files = {"random/all/all.csv": BANDIT, "bts/all/all.csv": BANDIT}
    first, dataset = through("open-bandit", files)
    second, _ = through("open-bandit", files)
    assert first.tables["users"].equals(second.tables["users"])
    assert dataset.users.height == 2
    assert dataset.users["user_feature_3"].sort().to_list() == ["d", "e"]
    assert sorted(dataset.impressions["policy"].unique()) == ["bts", "random"]
    assert "no user id" in first.notes[0]


def test_campaigns_whose_items_are_numbered_apart_do_not_mix(through):
    files = {f"random/{one}/{one}.csv": BANDIT for one in ("men", "women")}
    _, dataset = through("open-bandit", files)
    assert sorted(dataset.impressions["item_id"].unique()) == ["men-0", "men-1", "women-0", "women-1"]


def test_a_log_without_a_click_has_no_events(through):
    with pytest.raises(DatasetError, match="at least one click"):
        through("open-bandit", {"all.csv": BANDIT.replace(",3,1,", ",3,0,")})


BEHAVIOURS = (
    "1\tU1\t11/12/2019 2:14:46 PM\tN1 N2 N1\tN3-0 N4-1\n"
    "2\tU2\t11/11/2019 9:05:58 AM\t\tN3-1 N1-0\n"
    "3\tU1\t11/13/2019 8:36:57 AM\tN1 N2 N1\tN1-0 N5\n"
    "4\tU1\tlater\tN1\tN1-0\n"
    "5\tU1\n"
)
ENTITY = '[{""Label"": ""Lake, Ohio"", ""WikidataId"": ""Q1""}]'.replace('""', '"')
NEWS = (
    f"N1\tsports\tgolf\tA putt | a win\tShort.\thttp://x\t{ENTITY}\t[]\nN3\tnews\tnewsus\tB\t\thttp://y\t[]\tno list\n"
)


def test_mind_impressions_clicks_and_history(through, look):
    left_out, events, topics = look
    prepared, dataset = through("mind", {"train/behaviors.tsv": BEHAVIOURS, "train/news.tsv": NEWS})
    assert left_out(prepared) == {"wrong_number_of_fields": 1, "unreadable_time": 1}
    assert [one for one in events(dataset) if one[0] == "U1"] == [
        ("U1", "N1", "history"),
        ("U1", "N2", "history"),
        ("U1", "N1", "history"),
        ("U1", "N4", "click"),
    ]
    shown = dataset.impressions.sort("slate_id", "item_id").select("slate_id", "item_id", "reward").rows()
    assert shown == [("1", "N3", 0), ("1", "N4", 1), ("2", "N1", 0), ("2", "N3", 1), ("3", "N1", 0)]
    assert "1 shown news without a mark" in prepared.notes[0]
    assert topics(dataset, "N1") == {"sports", "golf"}
    assert dataset.catalog.title[0] == "A putt | a win"
    assert dataset.relations.select("head", "relation", "tail", "label").rows() == [
        ("N1", "title_entity", "Q1", "Lake, Ohio")
    ]


def test_the_history_of_mind_lies_before_the_log_in_its_order_and_is_never_a_target(through):
    _, dataset = through("mind", {"behaviors.tsv": BEHAVIOURS})
    log = dataset.log
    first_click = min(log.time_us[log.is_target])
    assert format_time(first_click) == "2019-11-11T09:05:58Z"
    assert (log.time_us[~log.is_target] < first_click).all()
    assert [log.kinds[kind].name for kind in log.kind[~log.is_target]] == ["history"] * 3
    assert (log.weight == 1).all()


INTERACTIONS = """timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry
1465413032,VIEW,-34,-88,12,,,
1465413046,COMMENT CREATED,-34,-88,12,"Agent (X, like Y)",NY,US
soon,VIEW,-34,-88,12,,,
"""
ARTICLES = """timestamp,eventType,contentId,authorPersonId,authorSessionId,contentType,url,title,text,lang
1465400000,CONTENT SHARED,-34,5,6,HTML,http://x,"A, title","Text
of two lines",en
1465400009,CONTENT SHARED,-34,5,6,HTML,http://x,Again,Text,en
1465500000,CONTENT REMOVED,-34,5,6,HTML,http://x,Gone,Text,en
"""


def test_deskdrop_events_and_articles(through, look):
    left_out, events, _ = look
    files = {"users_interactions.csv": INTERACTIONS, "shared_articles.csv": ARTICLES}
    prepared, dataset = through("deskdrop", files)
    assert left_out(prepared) == {"unreadable_time": 1}
    assert events(dataset) == [("-88", "-34", "view"), ("-88", "-34", "comment_created")]
    assert dataset.log.extra["userAgent"].to_list() == [None, "Agent (X, like Y)"]
    assert dataset.catalog.title.tolist() == ["A, title"]
    assert dataset.catalog.text.tolist() == ["Text\nof two lines"]
    assert format_time(dataset.catalog.available_from_us[0]) == "2016-06-08T15:33:20Z"
    _, alone = through("deskdrop", {"users_interactions.csv": INTERACTIONS}, only="users_interactions.csv")
    assert len(alone.log) == 2
