"""Loops that are compiled: what would be many passes over large arrays is one pass over what lies in cache.

Compiled by numba on first use. Everything here has a slow twin in PyTorch that says the same and runs on any device:
`losses.blockwise`, `scan.by_steps`, `cells.SteppedCell.run`, `attention.attend_in_groups`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


def _compiled(*, fastmath: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile on first use, and keep what was compiled where there is a place to write; `fastmath` may reorder sums."""

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(fastmath=fastmath, nogil=True, cache=True)(function)
        except RuntimeError:  # neither this folder nor the user's can be written to: compile in each process
            return njit(fastmath=fastmath, nogil=True)(function)

    return compiled


_LOG2_E = np.float32(1.4426950408889634)
_LOWEST = np.float32(-126.0)
"""Below 2^-126 a float32 loses digits; e^x is that small there anyway."""

# 2^f on [0, 1), the polynomial of degree 5 with the least largest error (2e-7, a rounding of float32).
_C0, _C1, _C2 = np.float32(9.9999994e-1), np.float32(6.9315308e-1), np.float32(2.4015361e-1)
_C3, _C4, _C5 = np.float32(5.5826318e-2), np.float32(8.9893397e-3), np.float32(1.8775767e-3)

_SIGN, _REST = np.int32(31), np.int32(0x7FFFFFFF)


@njit(inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """e^x as 2^n · 2^f: no call, so that the compiler can do sixteen at once."""
    y = x * _LOG2_E
    y = max(_LOWEST, y)
    n = np.floor(y)
    f = y - n
    p = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _C0
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always")
def _ordered(bits):  # type: ignore[no-untyped-def]
    """The bits of a float32 as an integer that sorts alike, and back: of integers the largest is found in no time."""
    return np.int32(bits ^ np.int32((bits >> _SIGN) & _REST))


@_compiled(fastmath=True)
def _widen(short, bias, row):  # type: ignore[no-untyped-def]
    """`row = short + bias`, out of the bits of bfloat16 numbers; the largest."""
    top = np.int32(-(2**31))
    for j in range(row.shape[0]):
        x = np.float32(np.uint32(np.uint32(short[j]) << np.uint32(16)).view(np.float32) + bias[j])
        row[j] = x
        top = max(top, _ordered(x.view(np.int32)))
    return _ordered(top).view(np.float32)


@_compiled(fastmath=True)
def _lift(row, bias):  # type: ignore[no-untyped-def]
    """`row += bias`; the largest."""
    top = np.int32(-(2**31))
    for j in range(row.shape[0]):
        x = np.float32(row[j] + bias[j])
        row[j] = x
        top = max(top, _ordered(x.view(np.int32)))
    return _ordered(top).view(np.float32)


@_compiled(fastmath=True)
def _exponentiate(row, top):  # type: ignore[no-untyped-def]
    """`row = exp(row - top)`; the sum."""
    total = np.float32(0)
    for j in range(row.shape[0]):
        e = _exp(row[j] - top)
        row[j] = e
        total += e
    return total


@_compiled(fastmath=True)
def _scale(row, by, into):  # type: ignore[no-untyped-def]
    """`row *= by`, and the same added to `into`."""
    for j in range(row.shape[0]):
        p = row[j] * by
        row[j] = p
        into[j] += p


@_compiled(fastmath=True)
def _narrow(row, short):  # type: ignore[no-untyped-def]
    """`short = row` as the bits of bfloat16 numbers, rounded."""
    for j in range(row.shape[0]):
        bits = np.float32(row[j]).view(np.uint32)
        short[j] = np.uint16(np.uint32(bits + np.uint32(0x8000)) >> np.uint32(16))


@_compiled()
def _softmax_row(  # type: ignore[no-untyped-def]
    row, top, asked_item, mass, added_item, extra, d_bias, d_extra
):
    """Scores of one state into `softmax - target`, in place; its loss. `top` is the largest score before `extra`."""
    for c in range(added_item.shape[0]):
        row[added_item[c]] += extra[c]
        top = max(top, row[added_item[c]])
    wanted, share = 0.0, 0.0
    for t in range(asked_item.shape[0]):
        wanted += mass[t] * (row[asked_item[t]] - top)
        share += mass[t]
    total = _exponentiate(row, top)
    _scale(row, np.float32(1) / total, d_bias)
    for t in range(asked_item.shape[0]):
        row[asked_item[t]] -= mass[t]
        d_bias[asked_item[t]] -= mass[t]
    for c in range(added_item.shape[0]):
        d_extra[c] = row[added_item[c]]
    return share * np.log(total) - wanted


@_compiled()
def softmax_rows16(  # type: ignore[no-untyped-def]
    scores, bias, asked, asked_item, mass, added, added_item, extra, d_bias, d_extra
):
    """In place, scores [n, n_items] (bits of bfloat16, without bias) into `softmax - target`; the loss of all rows.

    Row r has the targets `asked_item[asked[r]:asked[r + 1]]` with their `mass`, which sum to 1, and `extra` is added to
    its scores of `added_item[added[r]:added[r + 1]]`. The gradients of bias and extra are added to `d_bias` and written
    to `d_extra`.
    """
    loss, row = 0.0, np.empty(scores.shape[1], np.float32)
    for r in range(scores.shape[0]):
        top = _widen(scores[r], bias, row)
        t, c = slice(asked[r], asked[r + 1]), slice(added[r], added[r + 1])
        loss += _softmax_row(row, top, asked_item[t], mass[t], added_item[c], extra[c], d_bias, d_extra[c])
        _narrow(row, scores[r])
    return loss


@_compiled()
def softmax_rows32(  # type: ignore[no-untyped-def]
    scores, bias, asked, asked_item, mass, added, added_item, extra, d_bias, d_extra
):
    """The same for scores in float32."""
    loss = 0.0
    for r in range(scores.shape[0]):
        top = _lift(scores[r], bias)
        t, c = slice(asked[r], asked[r + 1]), slice(added[r], added[r + 1])
        loss += _softmax_row(scores[r], top, asked_item[t], mass[t], added_item[c], extra[c], d_bias, d_extra[c])
    return loss


@_compiled(fastmath=True)
def scan_rows(kept, entered, before, states):  # type: ignore[no-untyped-def]
    """`states[r] = kept[r] ⊙ states[before[r]] + entered[r]`, `before[r] < r`, or -1 for a beginning; all [n, dim]."""
    for r in range(kept.shape[0]):
        p = before[r]
        if p < 0:
            for d in range(kept.shape[1]):
                states[r, d] = entered[r, d]
        else:
            for d in range(kept.shape[1]):
                states[r, d] = kept[r, d] * states[p, d] + entered[r, d]


@_compiled(fastmath=True)
def scan_rows_back(kept, states, before, d_states, d_kept):  # type: ignore[no-untyped-def]
    """The gradient of `scan_rows`: `d_states` becomes that of `entered` in place, `d_kept` is written."""
    for r in range(kept.shape[0] - 1, -1, -1):
        p = before[r]
        if p < 0:
            for d in range(kept.shape[1]):
                d_kept[r, d] = 0
        else:
            for d in range(kept.shape[1]):
                d_kept[r, d] = d_states[r, d] * states[p, d]
                d_states[p, d] += kept[r, d] * d_states[r, d]


@njit(inline="always")
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return np.float32(1) / (np.float32(1) + _exp(-x))


@_compiled(fastmath=True)
def gate_rows(read, own, held, states):  # type: ignore[no-untyped-def]
    """One step of gated recurrent units: `states` from what was `held`, all [n, dim].

    `read` and `own` [n, 3 dim] come in as what x and H say to the gates reset r, update z and new n. `read` goes out as
    r, z and n, which the way back needs beside what H says to n.
    """
    dim = states.shape[1]
    for k in range(states.shape[0]):
        r, z, n = read[k, :dim], read[k, dim : 2 * dim], read[k, 2 * dim :]
        r_own, z_own, n_own = own[k, :dim], own[k, dim : 2 * dim], own[k, 2 * dim :]
        before, after = held[k], states[k]
        for d in range(dim):
            reset, update = _sigmoid(r[d] + r_own[d]), _sigmoid(z[d] + z_own[d])
            new = np.float32(2) * _sigmoid(np.float32(2) * (n[d] + reset * n_own[d])) - np.float32(1)
            r[d], z[d], n[d] = reset, update, new
            after[d] = new + update * (before[d] - new)


@_compiled(fastmath=True)
def gate_rows_back(read, own, held, d_states, d_read, d_own, direct):  # type: ignore[no-untyped-def]
    """The gradient of `gate_rows` by what came in: by x's part, by H's part, and `direct` by what was held."""
    dim = held.shape[1]
    for k in range(held.shape[0]):
        r, z, n, n_own = read[k, :dim], read[k, dim : 2 * dim], read[k, 2 * dim :], own[k, 2 * dim :]
        d_r, d_z, d_n = d_read[k, :dim], d_read[k, dim : 2 * dim], d_read[k, 2 * dim :]
        o_r, o_z, o_n = d_own[k, :dim], d_own[k, dim : 2 * dim], d_own[k, 2 * dim :]
        before, grad, past = held[k], d_states[k], direct[k]
        for d in range(dim):
            new = grad[d] * (np.float32(1) - z[d]) * (np.float32(1) - n[d] * n[d])
            update = grad[d] * (before[d] - n[d]) * z[d] * (np.float32(1) - z[d])
            reset = new * n_own[d] * r[d] * (np.float32(1) - r[d])
            d_r[d], d_z[d], d_n[d] = reset, update, new
            o_r[d], o_z[d], o_n[d] = reset, update, new * r[d]
            past[d] = grad[d] * z[d]


@_compiled(fastmath=True)
def _magnitudes(now, times, magnitude):  # type: ignore[no-untyped-def]
    """The order of magnitude of each gap of time, floor(log2(gap + 1)), read off the exponent of a float64."""
    for j in range(magnitude.shape[0]):
        whole = np.float64(max(now - times[j], 0) + 1)
        magnitude[j] = np.uint64((whole.view(np.int64) >> np.int64(52)) - np.int64(1023))


# What is indexed from 0 on is a slice that begins there: an index that might be negative would keep the compiler from
# doing sixteen numbers at once.


@_compiled(fastmath=True)
def _gathered(rows, source, scale, into):  # type: ignore[no-untyped-def]
    """`into[:, :, t] = scale · source[rows[t]]`: one sequence, so that a product with all its steps is one pass."""
    columns = into.reshape(source.shape[1], into.shape[2])
    for t in range(rows.shape[0]):
        row = source[rows[t]]
        for d in range(row.shape[0]):
            columns[d, t] = scale * row[d]


@_compiled(fastmath=True)
def _returned(rows, source, scale, into):  # type: ignore[no-untyped-def]
    """The way back of `_gathered`."""
    columns = source.reshape(into.shape[1], source.shape[2])
    for t in range(rows.shape[0]):
        row = into[rows[t]]
        for d in range(row.shape[0]):
            row[d] = scale * columns[d, t]


@_compiled(fastmath=True)
def _weighted(x, columns, low, sums):  # type: ignore[no-untyped-def]
    """`sums[j] += Σ_d x[d] · columns[d, low + j]`."""
    n = sums.shape[0]
    for d in range(x.shape[0]):
        weight, column = x[d], columns[d, low : low + n]
        for j in range(n):
            sums[j] += weight * column[j]


@_compiled(fastmath=True)
def _spread(x, weights, low, columns):  # type: ignore[no-untyped-def]
    """`columns[d, low + j] += x[d] · weights[j]`."""
    n = weights.shape[0]
    for d in range(x.shape[0]):
        weight, column = x[d], columns[d, low : low + n]
        for j in range(n):
            column[j] += weight * weights[j]


@_compiled(fastmath=True)
def _drawn(weights, columns, low, scale, into):  # type: ignore[no-untyped-def]
    """`into[d] = scale · Σ_j weights[j] · columns[d, low + j]`."""
    n = weights.shape[0]
    for d in range(into.shape[0]):
        total, column = np.float32(0), columns[d, low : low + n]
        for j in range(n):
            total += weights[j] * column[j]
        into[d] = scale * total


@_compiled(fastmath=True)
def _dot(one, other):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(one.shape[0]):
        total += one[d] * other[d]
    return total


@_compiled(fastmath=True)
def _noted(pulls, magnitude, d_near, d_far):  # type: ignore[no-untyped-def]
    """The way back of `_nearness`."""
    for j in range(pulls.shape[0]):
        d_near[j] += pulls[j]
    for j in range(pulls.shape[0]):
        d_far[magnitude[j]] += pulls[j]


@_compiled(fastmath=True)
def _nearness(near, far, magnitude, sums):  # type: ignore[no-untyped-def]
    """`sums[j] = near[j] + far[magnitude[j]]`."""
    for j in range(sums.shape[0]):
        sums[j] = near[j] + far[magnitude[j]]


@_compiled(fastmath=True)
def _pulls(shares, pulled, level):  # type: ignore[no-untyped-def]
    """`pulled = shares ⊙ (pulled - level)`: the gradient of a softmax."""
    for j in range(shares.shape[0]):
        pulled[j] = shares[j] * (pulled[j] - level)


@_compiled(fastmath=True)
def _largest(row):  # type: ignore[no-untyped-def]
    top = np.int32(-(2**31))
    for j in range(row.shape[0]):
        top = max(top, _ordered(np.float32(row[j]).view(np.int32)))
    return _ordered(top).view(np.float32)


@_compiled()
def attend(query, key, value, rows, first, time_us, read_us, near, far, out, log_total):  # type: ignore[no-untyped-def]
    """Causal attention within sequences, over the last `near.shape[1]` steps: `out` [n, dim], `log_total` [n, heads].

    Sequence s has the rows `rows[first[s]:first[s + 1]]` of query, key, value [n, dim] and of `time_us`; step r looks
    back from `read_us[r]`. To the scores are added `near` [heads, reach], whose last is for the step itself, and `far`
    [heads, magnitudes].
    """
    n_heads, reach, width = near.shape[0], near.shape[1], query.shape[1] // near.shape[0]
    scale, longest = np.float32(1 / np.sqrt(width)), np.max(np.diff(first))
    shape = (n_heads, width, longest)
    keys, values = np.empty(shape, np.float32), np.empty(shape, np.float32)
    room, magnitude = np.empty(longest, np.float32), np.empty(longest, np.uint64)
    for sequence in range(first.shape[0] - 1):
        own = rows[first[sequence] : first[sequence + 1]]
        _gathered(own, key, scale, keys)
        _gathered(own, value, np.float32(1), values)
        times = time_us[own]
        for now in range(own.shape[0]):
            low, r = max(0, now + 1 - reach), own[now]
            n = now + 1 - low
            shares = room[:n]
            _magnitudes(read_us[r], times[low:], magnitude[:n])
            for head in range(n_heads):
                part = slice(head * width, (head + 1) * width)
                _nearness(near[head, reach - n :], far[head], magnitude, shares)
                _weighted(query[r, part], keys[head], low, shares)
                top = _largest(shares)
                total = _exponentiate(shares, top)
                log_total[r, head] = top + np.log(total)
                _drawn(shares, values[head], low, np.float32(1) / total, out[r, part])


@_compiled()
def attend_back(  # type: ignore[no-untyped-def]
    query,
    key,
    value,
    rows,
    first,
    time_us,
    read_us,
    near,
    far,
    out,
    log_total,
    d_out,
    d_query,
    d_key,
    d_value,
    d_near,
    d_far,
):
    """The gradient of `attend` by query, key and value, written; by near and far, added. Scores are computed anew."""
    n_heads, reach, width = near.shape[0], near.shape[1], query.shape[1] // near.shape[0]
    scale, longest = np.float32(1 / np.sqrt(width)), np.max(np.diff(first))
    shape = (n_heads, width, longest)
    keys, values = np.empty(shape, np.float32), np.empty(shape, np.float32)
    d_keys, d_values = np.empty(shape, np.float32), np.empty(shape, np.float32)
    rooms, magnitude = np.empty((2, longest), np.float32), np.empty(longest, np.uint64)
    for sequence in range(first.shape[0] - 1):
        own = rows[first[sequence] : first[sequence + 1]]
        _gathered(own, key, scale, keys)
        _gathered(own, value, np.float32(1), values)
        d_keys[:] = 0
        d_values[:] = 0
        times = time_us[own]
        for now in range(own.shape[0]):
            low, r = max(0, now + 1 - reach), own[now]
            n = now + 1 - low
            shares, pulls = rooms[0, :n], rooms[1, :n]
            _magnitudes(read_us[r], times[low:], magnitude[:n])
            for head in range(n_heads):
                part = slice(head * width, (head + 1) * width)
                _nearness(near[head, reach - n :], far[head], magnitude, shares)
                _weighted(query[r, part], keys[head], low, shares)
                _exponentiate(shares, log_total[r, head])
                _spread(d_out[r, part], shares, low, d_values[head])
                pulls[:] = 0
                _weighted(d_out[r, part], values[head], low, pulls)
                _pulls(shares, pulls, _dot(d_out[r, part], out[r, part]))
                _drawn(pulls, keys[head], low, np.float32(1), d_query[r, part])
                _spread(query[r, part], pulls, low, d_keys[head])
                _noted(pulls, magnitude, d_near[head, reach - n :], d_far[head])
        _returned(own, d_keys, scale, d_key)
        _returned(own, d_values, np.float32(1), d_value)
