"""Online Retail, MovieTweetings and MovieLens, in their published layouts."""

from __future__ import annotations

import numpy as np
import pytest

from driftline.errors import DatasetError
from driftline.types import format_time

INVOICES = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,10A,GREEN CUP,6,12/1/2010 8:26,2.55,17850,United Kingdom
1,0222,"TIN, SMALL",8,12/1/2010 8:26,1.1,17850.0,United Kingdom
C2,10A,GREEN CUP,-6,12/2/2010 9:00,2.55,17850,United Kingdom
3,POST,POSTAGE,1,12/3/2010 9:00,18,12583,France
4,10A,damaged,-3,12/3/2010 9:05,0,,United Kingdom
5,10A,GREEN CUP,many,12/3/2010 9:05,2,12583,France
6,10A,GREEN CUP,1,yesterday,2,12583,France
7,10A,GREEN MUG,1,12/4/2010 10:00,2,12583,France
8,10A,GREEN CUP,-1,12/5/2010 10:00,2,12583,France
"""


def test_invoice_lines_become_purchases_and_cancellations_and_lines_without_a_customer_are_counted(through, look):
    left_out, events, _ = look
    prepared, dataset = through("online-retail", {"data.csv": INVOICES})
    assert left_out(prepared) == {"missing_CustomerID": 1, "unreadable_time": 1, "unreadable_quantity": 1}
    assert events(dataset) == [
        ("17850", "10A", "purchase"),
        ("17850", "0222", "purchase"),
        ("17850", "10A", "cancellation"),
        ("12583", "POST", "purchase"),
        ("12583", "10A", "purchase"),
        ("12583", "10A", "cancellation"),
    ]
    log = dataset.log
    assert format_time(log.time_us[0]) == "2010-12-01T08:26:00Z"
    assert log.value.tolist() == [6, 8, -6, 1, 1, -1]
    assert log.extra["price"].to_list()[:2] == [2.55, 1.1]
    assert log.extra["session_id"].to_list()[:3] == ["1", "1", "C2"]
    assert (dataset.repeats, dataset.name, dataset.settings.basket) == ("allow", "online-retail", "session_id")
    catalog = dataset.catalog
    assert {item: catalog.title[catalog.items.row(item)] for item in ("10A", "0222", "POST")} == {
        "10A": "GREEN CUP",
        "0222": "TIN, SMALL",
        "POST": "POSTAGE",
    }
    charge = dict(zip(catalog.items, catalog.attributes["charge"], strict=True))
    assert charge == {"10A": 0, "0222": 0, "POST": 1}


def test_the_second_edition_and_any_order_of_columns_are_known(through):
    lines = "Customer ID,Price,Country,Invoice,Quantity,StockCode,InvoiceDate\n9,1.5,Spain,11,2,X,2011-01-05 10:00:00\n"
    _, dataset = through("online-retail", {"online_retail_II.csv": lines})
    assert (dataset.log.users[0], dataset.log.items[0], dataset.log.value[0]) == ("9", "X", 2)


def test_a_table_without_invoices_is_refused(through):
    with pytest.raises(DatasetError, match=r"expected columns InvoiceNo, .* got a, b"):
        through("online-retail", {"data.csv": "a,b\n1,2\n"})


def test_movietweetings_as_published_keep_leading_zeros_and_never_read_accounts(through, look):
    left_out, events, topics = look
    files = {
        "ratings.dat": "1::0075314::8::1362062307\n2::0075314::9::1362062400\n2::1::bad::1362062400\n3::2::5\n",
        "movies.dat": "0075314::Night Cab (1976)::Crime|Drama\n0000001::Old: A Story (1894)::\n",
        "users.dat": "1::123456\n",
    }
    prepared, dataset = through("movietweetings", files)
    assert left_out(prepared) == {"wrong_number_of_fields": 1, "unreadable_rating": 1}
    assert events(dataset) == [("1", "0075314", "rating"), ("2", "0075314", "rating")]
    assert topics(dataset, "0075314") == {"Crime", "Drama"}
    assert topics(dataset, "0000001") == set()
    assert dataset.catalog.attributes["year"].to_list() == [1976, 1894]
    assert dataset.users is None
    assert dataset.repeats == "exclude"


def movielens_100k():
    genres = "unknown|0\nAction|1\nComedy|2\n"
    return {
        "ml/u.data": "1\t10\t3\t881250949\n1\t11\t4\t881250950\n2\t10\tx\t881250949\n",
        "ml/u.item": "10|Café Noir (1995)|01-Jan-1995||http://x|0|1|1\n11|Nothing||||1|0|0\n".encode("latin-1"),
        "ml/u.user": "1|24|M|technician|08544\n2|53|F|other|94043\n",
        "ml/u.genre": genres,
    }


def movielens_1m():
    return {
        "ml/ratings.dat": "1::10::3::881250949\n1::11::4::881250950\n2::10::x::881250949\n",
        "ml/movies.dat": "10::Café Noir (1995)::Action|Comedy\n11::Nothing::\n".encode("latin-1"),
        "ml/users.dat": "1::M::24::12::08544\n2::F::53::1::94043\n",
    }


def movielens_latest():
    return {
        "ml/ratings.csv": "userId,movieId,rating,timestamp\n1,10,3.0,881250949\n1,11,4.0,881250950\n2,10,x,881250949\n",
        "ml/movies.csv": 'movieId,title,genres\n10,"Café Noir (1995)",Action|Comedy\n11,Nothing,(no genres listed)\n',
        "ml/links.csv": "movieId,imdbId,tmdbId\n10,0114709,862\n",
        "ml/tags.csv": "userId,movieId,tag,timestamp\n1,10,so dark,881250960\n",
    }


@pytest.mark.parametrize("files", [movielens_100k(), movielens_1m(), movielens_latest()])
def test_three_generations_of_movielens_say_the_same(through, look, files):
    left_out, events, topics = look
    prepared, dataset = through("movielens", files)
    assert left_out(prepared) == {"unreadable_rating": 1}
    assert events(dataset)[:2] == [("1", "10", "rating"), ("1", "11", "rating")]
    assert dataset.log.value[:2].tolist() == [3, 4]
    assert format_time(dataset.log.time_us[0]) == "1997-12-04T15:55:49Z"
    assert topics(dataset, "10") == {"Action", "Comedy"}
    assert topics(dataset, "11") == set()
    assert dataset.catalog.title.tolist() == ["Café Noir (1995)", "Nothing"]
    assert dataset.catalog.attributes["year"].to_list() == [1995, None]
    assert dataset.repeats == "exclude"


def test_users_of_movielens_keep_the_zeros_of_their_zip_codes(through):
    _, dataset = through("movielens", movielens_1m())
    assert dataset.users["zip_code"].to_list() == ["08544", "94043"]
    _, dataset = through("movielens", movielens_100k())
    assert dataset.users["occupation"].to_list() == ["technician", "other"]


def test_tags_are_events_that_move_nothing(through, look):
    _, events, _ = look
    _, dataset = through("movielens", movielens_latest())
    assert events(dataset)[2] == ("1", "10", "tag")
    assert dataset.log.extra["tag"].to_list() == [None, None, "so dark"]
    assert np.array_equal(dataset.log.weight, [1, 1, 0])
    assert dataset.log.is_target.tolist() == [True, True, False]
    assert dataset.catalog.attributes["imdb_id"].to_list() == ["0114709", None]
