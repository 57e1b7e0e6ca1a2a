"""Groups of items that belong together: spherical k-means, and which new group is which old one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from driftline.interest.vectors import Vectors, unit

N_STARTS = 6
N_ROUNDS = 60
ITEMS_PER_TOPIC = 2.2
MOST_TOPICS = 64
MOST_POINTS = 50_000
SAME_OVERLAP = 0.3
"""From this overlap on (items of both / items of either) a new group keeps the name of an old one."""
KEEP_NUMBER_WITHIN = 1.25
"""A refit keeps the number of groups while the number that the size asks for is within this factor."""

Labels = NDArray[np.int32]


def derived_number(n_items: int) -> int:
    """How many topics a catalog of so many items gets: few enough to read, and more in larger ones.

    `√n_items / 2.2`, from 1 to 64.

    >>> [derived_number(n) for n in (1, 100, 4000, 100_000)]
    [1, 5, 29, 64]
    """
    return int(np.clip(round(np.sqrt(n_items) / ITEMS_PER_TOPIC), 1, MOST_TOPICS))


def kept_number(wanted: int, n_before: int) -> int:
    """How many groups a refit makes: as many as before where about so many are wanted.

    >>> kept_number(12, 10), kept_number(13, 10), kept_number(3, 10), kept_number(3, 0)
    (10, 13, 3, 3)
    """
    close = max(wanted, n_before) <= KEEP_NUMBER_WITHIN * min(wanted, n_before)
    return n_before if close else wanted


def cluster(
    vectors: Vectors, worth: NDArray[np.float64], n_clusters: int, *, first: Vectors | None = None, seed: int = 0
) -> Labels:
    """The group of each row of unit vectors, -1 for rows of zeros; shape [n].

    Spherical k-means (Dhillon and Modha 2001) in which rows weigh `worth`: the best of several random starts, or one
    start from given centres `first` [n, dim]; where those are more than `n_clusters`, the closest are made one first.
    Groups that end empty are dropped, so numbers have no gaps. Beyond `MOST_POINTS` rows the weightiest make the
    groups, and the others join the closest.
    """
    known = np.flatnonzero((vectors != 0).any(axis=1))
    labels = np.full(len(vectors), -1, np.int32)
    if not len(known):
        return labels
    rows = np.sort(known[np.argsort(-worth[known], kind="stable")[:MOST_POINTS]])
    points, weight = vectors[rows], worth[rows]
    rng = np.random.default_rng(seed)
    n_clusters = min(n_clusters, len(rows))
    starts = (
        [_fused(first, points, weight, n_clusters)]
        if first is not None
        else [np.zeros((0, vectors.shape[1]))] * N_STARTS
    )
    runs = [_k_means(points, weight, _spread(points, weight, start, n_clusters, rng)) for start in starts]
    best, _ = max(runs, key=lambda run: run[1])
    found = np.unique(best, return_inverse=True)[1].astype(np.int32)
    labels[known] = (vectors[known] @ centres_of(points, weight, found, int(found.max()) + 1).T).argmax(axis=1)
    labels[rows] = found
    return labels


def centres_of(vectors: Vectors, worth: NDArray[np.float64], labels: Labels, n_clusters: int) -> Vectors:
    """The direction of each group: its weighted sum, made a unit; shape [n_clusters, dim]."""
    return unit(np.asarray(membership(worth, labels, n_clusters) @ vectors, np.float64))


def membership(worth: NDArray[np.float64], labels: Labels, n_clusters: int) -> sparse.csr_matrix:
    """The worth of each item in its group; shape [n_clusters, n_items]."""
    inside = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((worth[inside], (labels[inside], inside)), shape=(n_clusters, len(labels)))


def matched(new: Labels, old: Labels, n_new: int, n_old: int) -> NDArray[np.int64]:
    """The old group that each new one continues, -1 for none; shape [n_new].

    `new` and `old` label the same items (-1: not there). One to one, so that the summed overlap (items of both / items
    of either) is highest (Kuhn 1955), and only where an overlap is at least `SAME_OVERLAP`.
    """
    both = (new >= 0) & (old >= 0)
    shared = np.zeros((n_new, n_old))
    np.add.at(shared, (new[both], old[both]), 1)
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    overlap = shared / np.maximum(either, 1)
    rows, columns = linear_sum_assignment(-overlap)
    found = np.full(n_new, -1, np.int64)
    same = overlap[rows, columns] >= SAME_OVERLAP
    found[rows[same]] = columns[same]
    return found


def _fused(centres: Vectors, points: Vectors, weight: NDArray[np.float64], n: int) -> Vectors:
    """At most n centres: again and again the closest two become one, each counting by the points that are its own."""
    mass = np.bincount((points @ centres.T).argmax(axis=1), weight, minlength=len(centres)) if len(centres) > n else 0
    sums = centres * np.reshape(mass, (-1, 1)) if len(centres) > n else centres
    while len(sums) > n:
        alike = unit(sums) @ unit(sums).T
        alike[np.tril_indices(len(sums))] = -np.inf
        one, other = np.unravel_index(alike.argmax(), alike.shape)
        sums[one] += sums[other]
        sums = np.delete(sums, other, axis=0)
    return unit(sums)


def _spread(
    points: Vectors, weight: NDArray[np.float64], first: Vectors, n_clusters: int, rng: np.random.Generator
) -> Vectors:
    """Centres: those given, then points drawn by their distance from all before (k-means++, Arthur 2007)."""
    centres = list(first)
    nearest = (points @ first.T).max(axis=1) if len(first) else np.full(len(points), -1.0)
    while len(centres) < n_clusters:
        chance = weight * np.maximum(1 - nearest, 0)
        if chance.sum() <= 0:
            break
        centres.append(points[rng.choice(len(points), p=chance / chance.sum())])
        nearest = np.maximum(nearest, points @ centres[-1])
    return np.array(centres)


def _k_means(points: Vectors, weight: NDArray[np.float64], centres: Vectors) -> tuple[Labels, float]:
    """Labels and the weighted mean of each point's likeness to its centre."""
    labels = np.full(len(points), -1, np.int32)
    for _ in range(N_ROUNDS):
        likeness = points @ centres.T
        closest = likeness.argmax(axis=1).astype(np.int32)
        if (closest == labels).all():
            break
        labels = closest
        moved = centres_of(points, weight, labels, len(centres))
        centres = np.where((moved != 0).any(axis=1, keepdims=True), moved, centres)
    return labels, float(weight @ (points * centres[labels]).sum(axis=1))
