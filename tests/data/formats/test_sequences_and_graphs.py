"""S3-Rec sequences, Last.fm of HetRec and RecBole atomic files, in their published layouts."""

from __future__ import annotations

import pytest

from driftline.errors import DatasetError
from driftline.types import format_time


def test_sequences_without_times_are_order_only(through, look):
    left_out, events, topics = look
    files = {"Beauty.txt": "1 5 6 5\n2 6\n3\n", "Beauty_item2attributes.json": '{"5": [1, 2], "6": [2]}'}
    prepared, dataset = through("s3rec", files)
    assert left_out(prepared) == {"user_without_items": 1}
    assert [one[:2] for one in events(dataset)] == [("1", "5"), ("1", "6"), ("1", "5"), ("2", "6")]
    assert dataset.log.time_us.tolist() == [0, 1, 2, 0]
    assert (dataset.order_only, dataset.repeats, dataset.name) == (True, "exclude", "beauty")
    assert topics(dataset, "5") == {"1", "2"}


def test_sequences_with_times(through, look):
    _, events, topics = look
    files = {
        "a/Beauty_s3rec_ids_with_time.tsv": "user_id\titem_id\ttimestamp\n1\t2\t1318896000\n1\t1\t1318982400\n",
        "b/Beauty_item2attributes.json": '{"2": [7]}',
        "b/Beauty.txt": "1 2 1\n",
    }
    _, dataset = through("s3rec", files)
    assert [one[:2] for one in events(dataset)] == [("1", "2"), ("1", "1")]
    assert format_time(dataset.log.time_us[0]) == "2011-10-18T00:00:00Z"
    assert not dataset.order_only
    assert topics(dataset, "2") == {"7"}


def test_one_of_several_files_of_sequences_is_taken_by_its_name(through):
    files = {"Beauty.txt": "1 5 6\n", "Toys.txt": "1 7 8 9\n", "Toys_item2attributes.json": '{"7": [1]}'}
    with pytest.raises(DatasetError, match=r"expected one file of sequences .* got Beauty\.txt, Toys\.txt"):
        through("s3rec", files)
    _, dataset = through("s3rec", files, only="Toys.txt")
    assert (len(dataset.log), dataset.name, dataset.catalog.has_topics) == (3, "toys", True)


def hetrec(days: list[tuple[str, str, str, str]]) -> dict[str, str | bytes]:
    lines = [f"{user}\t{artist}\t{tag}\t{day.replace('-', chr(9))}" for user, artist, tag, day in days]
    return {
        "user_taggedartists.dat": "\n".join(["userID\tartistID\ttagID\tday\tmonth\tyear", *lines, ""]),
        "tags.dat": "tagID\ttagValue\n1\tmetal\n2\tfolk|pop\n3\tété\n".encode("latin-1"),
        "artists.dat": 'id\tname\turl\tpictureURL\n10\tThe "Ants\thttp://x\thttp://y\n11\tBees\thttp://x\thttp://y\n',
        "user_friends.dat": "userID\tfriendID\n1\t2\n2\t1\n",
        "user_artists.dat": "userID\tartistID\tweight\n1\t10\t500\n",
    }


def test_tags_of_one_moment_are_one_event_and_friends_are_there(through, look):
    left_out, events, _ = look
    days = [
        ("1", "10", "1", "1-4-2009"),
        ("1", "10", "2", "1-4-2009"),
        ("2", "11", "3", "2-5-2009"),
        ("2", "11", "3", "31-2-2009"),
    ]
    prepared, dataset = through("lastfm-hetrec", hetrec(days))
    assert left_out(prepared) == {"unreadable_time": 1}
    assert events(dataset) == [("1", "10", "tag"), ("2", "11", "tag")]
    assert dataset.log.extra["tags"].to_list() == ["metal|folk/pop", "été"]
    assert dataset.friends.select("user_id", "friend_id").rows() == [("1", "2"), ("2", "1")]
    assert dataset.catalog.title.tolist() == ['The "Ants', "Bees"]
    assert prepared.notes == (
        "3 tags given are 2 events: one per user, artist and moment",
        "1 play counts have no time and are left out",
    )


def test_topics_of_artists_come_from_what_was_tagged_early_and_never_from_later(through, look):
    _, _, topics = look
    early = [(str(user), "10", "1", f"{user + 1}-1-2009") for user in range(16)]
    late = [(str(user), "10", "2", f"{user + 1}-12-2009") for user in range(4)] + [("1", "11", "3", "9-12-2009")]
    _, dataset = through("lastfm-hetrec", hetrec(early + late))
    assert topics(dataset, "10") == {"metal"}
    assert topics(dataset, "11") == set()


def test_times_of_tags_in_milliseconds(through):
    files = {"user_taggedartists-timestamps.dat": "userID\tartistID\ttagID\ttimestamp\n2\t52\t13\t1238536800000\n"}
    _, dataset = through("lastfm-hetrec", files)
    assert format_time(dataset.log.time_us[0]) == "2009-03-31T22:00:00Z"


ATOMIC = {
    "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t10\t3.5\t881250949\n1\t11\tbad\t881250950\n",
    "ml.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    '10\t"Toys\t1995\tComedy Crime\n',
    "ml.user": "user_id:token\tage:float\tgender:token\n1\t24\tM\n",
    "ml.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm.actor\tm.2\n",
    "ml.link": "item_id:token\tentity_id:token\n10\tm.1\n",
}


def test_atomic_files_with_typed_headers(through, look):
    _, events, topics = look
    _, dataset = through("recbole", ATOMIC)
    assert events(dataset) == [("1", "10", "rating"), ("1", "11", "rating")]
    assert dataset.log.value.tolist()[0] == 3.5
    assert topics(dataset, "10") == {"Comedy", "Crime"}
    assert dataset.catalog.title.tolist()[0] == '"Toys'
    assert dataset.users.rows() == [("1", 24, "M")]
    assert dataset.relations.rows() == [("m.1", "film.actor", "m.2"), ("10", "same_as", "m.1")]


def test_parts_of_interactions_follow_each_other_and_without_times_their_order_counts(through, look):
    _, events, _ = look
    header = "user_id:token\titem_id:token\n"
    _, dataset = through("recbole", {"a.train.inter": header + "1\t5\n", "a.valid.inter": header + "1\t4\n"})
    assert dataset.order_only
    assert [one[1] for one in events(dataset)] == ["5", "4"]


def test_interactions_without_users_are_refused(through):
    with pytest.raises(DatasetError, match="expected columns user_id, item_id"):
        through("recbole", {"a.inter": "session_id:token\titem_id:token\n1\t5\n"})
