"""Stack Exchange: the tables that are bundled and the XML of a dump say the same."""

from __future__ import annotations

import pytest

from driftline.errors import DatasetError
from driftline.types import format_time

POSTS = """<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="1" PostTypeId="1" CreationDate="2014-01-21T20:26:05.383" OwnerUserId="7" Title="Which hops &amp; why?"
    Tags="&lt;hops&gt;&lt;dry-hopping&gt;" Body="&lt;p&gt;Tell me &amp;amp; her.&lt;/p&gt;"
    ContentLicense="CC BY-SA 3.0" />
  <row Id="2" PostTypeId="2" ParentId="1" CreationDate="2014-01-22T10:00:00.000" OwnerUserId="8" Body="Because." />
  <row Id="3" PostTypeId="2" ParentId="1" CreationDate="2014-01-22T11:00:00.000" Body="From a deleted account." />
  <row Id="4" PostTypeId="5" CreationDate="2014-01-22T11:00:00.000" OwnerUserId="8" Body="A tag's wiki." />
  <row Id="5" PostTypeId="1" CreationDate="2014-02-01T00:00:00.000" OwnerUserId="8" Title="T" Tags="|a|b|" Body="" />
</posts>"""
COMMENTS = """<comments><row Id="1" PostId="2" CreationDate="2014-01-23T00:00:00.000" UserId="7" />
<row Id="2" PostId="99" CreationDate="2014-01-23T00:00:00.000" UserId="7" /></comments>"""
VOTES = """<votes><row Id="1" PostId="1" VoteTypeId="2" CreationDate="2014-01-21T00:00:00.000" />
<row Id="2" PostId="1" VoteTypeId="5" UserId="9" CreationDate="2014-01-21T00:00:00.000" /></votes>"""


def test_a_dump_becomes_events_on_questions_and_counts_what_no_account_did(through, look):
    left_out, events, topics = look
    prepared, dataset = through("stackexchange", {"Posts.xml": POSTS, "Comments.xml": COMMENTS, "Votes.xml": VOTES})
    assert left_out(prepared) == {
        "other_post_type": 1,
        "missing_OwnerUserId": 1,
        "unknown_post": 1,
        "other_vote_type": 1,
    }
    assert sorted(events(dataset)) == [
        ("7", "1", "ask"),
        ("7", "1", "comment"),
        ("8", "1", "answer"),
        ("8", "5", "ask"),
        ("9", "1", "favorite"),
    ]
    assert topics(dataset, "1") == {"hops", "dry-hopping"}
    assert topics(dataset, "5") == {"a", "b"}
    catalog = dataset.catalog
    assert (catalog.title[0], catalog.text[0]) == ("Which hops & why?", "Tell me & her.")
    assert format_time(catalog.available_from_us[0]) == "2014-01-21T20:26:05.383000Z"


def test_a_favourite_of_which_the_day_is_known_counts_from_the_end_of_the_day(through):
    _, dataset = through("stackexchange", {"Posts.xml": POSTS, "Votes.xml": VOTES})
    row = dataset.log.users.row("9")
    assert format_time(dataset.log.time_us[dataset.log.user_row == row][0]) == "2014-01-21T23:59:59Z"
    assert (dataset.log.time_us >= dataset.catalog.available_from_us[dataset.log.item_row]).all()


@pytest.mark.parametrize(
    "posts",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><posts><row Id="&b;"/></posts>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><posts/>',
        "<posts><row Id='1'",
        "no xml at all",
    ],
)
def test_damaged_xml_and_document_types_are_refused(through, posts):
    with pytest.raises(DatasetError, match=r"expected (rows alone|whole XML) in Posts\.xml"):
        through("stackexchange", {"Posts.xml": posts})


def test_tables_of_events_and_items(through, look):
    left_out, events, topics = look
    files = {
        "beer_events.csv": "user_id,question_id,event,time,reply_to_user\n"
        "7,1,ask,2014-01-21T20:26:05.383,\n8,1,comment,2014-01-22T10:00:00.000,7\n9,1,favorite,2014-01-21T00:00:00.000,\n"
        "9,1,ask,soon,\n",
        "beer_items.csv": "question_id,created,owner_id,title,tags,body_excerpt,licence\n"
        '1,2014-01-21T20:26:05.383,7,"Hops, why?",hops dry-hopping,Tell me.,CC BY-SA 3.0\n',
    }
    prepared, dataset = through("stackexchange", files)
    assert left_out(prepared) == {"unreadable_time": 1}
    assert events(dataset) == [("7", "1", "ask"), ("8", "1", "comment"), ("9", "1", "favorite")]
    assert topics(dataset, "1") == {"hops", "dry-hopping"}
    assert dataset.catalog.attributes["licence"].to_list() == ["CC BY-SA 3.0"]
    assert dataset.log.extra["reply_to_user"].to_list() == [None, 7, None]
