// One person's interests through time: as a river, as lines, or as a table; then the forecast, fading.
import { choice, h, responsive, s, said, table, told } from "./dom.js";
import { date, dayMonth, fromDay, longDate, monthYear, percent, toDay } from "./format.js";
import { readable } from "./reader.js";
import { band, carriesYear, curve, linear, monthOrYear, months, silhouette, spread, steps } from "./scales.js";
import { t } from "./strings.js";

const SETTLED_DAYS = 21; // a lead shorter than this is a ripple, not a change

/** The strongest named interest at place i: its index among the curves, and -1 where there is no evidence. */
function leader(river, i) {
  let best = -1;
  river.curves.forEach((one, k) => {
    if (one.topic >= 0 && one.weight[i] > 0 && (best < 0 || one.share[i] > river.curves[best].share[i])) best = k;
  });
  return best;
}

/** Moments when one interest overtook another for good: {i, from, to} by curve index. */
export function overtakings(river) {
  const days = river.dates.map(toDay);
  const runs = [];
  days.forEach((_, i) => {
    const who = leader(river, i);
    if (who < 0) return;
    const last = runs[runs.length - 1];
    if (last && last.who === who) last.end = days[i];
    else runs.push({ who, i, begin: days[i], end: days[i] });
  });
  const settled = runs.filter((run) => run.end - run.begin >= SETTLED_DAYS);
  const changes = [];
  settled.forEach((run, k) => {
    if (k && settled[k - 1].who !== run.who) changes.push({ i: run.i, from: settled[k - 1].who, to: run.who });
  });
  return changes.slice(-4);
}

/** The section with its title, sentence, views and list of changes; `names(topic)` and `slot(topic)` name and colour. */
export function riverFigure(river, names, slot) {
  let view = "river";
  const name = (k) => names(river.curves[k].topic);
  const changes = overtakings(river);
  const drawn = responsive((width) =>
    view === "table" ? riverTable(river, names) : drawing(river, width, view, name, slot, changes));
  const views = choice(t("view"), [["river", t("river")], ["lines", t("lines")], ["table", t("tableView")]], view, (to) => {
    view = to;
    drawn.redraw();
  });
  return h("div", { class: "figure" },
    h("div", { class: "row" }, h("p", { class: "says" }, told(sentence(river, name))), views),
    drawn,
    changes.length > 0 && h("ol", { class: "changes" }, changes.map((change) => h("li", {},
      h("time", { datetime: river.dates[change.i] }, longDate(river.dates[change.i])), ": ",
      told(t("overtook", said(name(change.to)), said(name(change.from)))), why(river, change)))),
    h("p", { class: "note" }, t("riverHow"), " ", t("readHelp")),
  );
}

function why(river, change) {
  const visit = river.visits.filter((one) => one.date <= river.dates[change.i]).at(-1);
  return visit ? `, ${t("afterVisit", visit.events, dayMonth(visit.date))}` : "";
}

function sentence(river, name) {
  const end = river.dates.length - 1;
  let begin = river.dates.findIndex((_, i) => leader(river, i) >= 0 && toDay(river.dates[i]) >= toDay(river.dates[0]) + 28);
  if (begin < 0) begin = river.dates.findIndex((_, i) => leader(river, i) >= 0);
  const [a, b] = [leader(river, begin), leader(river, end)];
  if (a < 0 || b < 0) return "";
  const share = (k, i) => percent(river.curves[k].share[i]);
  return t("riverSays", said(name(a)), share(a, begin), said(name(b)), share(b, end), monthYear(river.dates[begin]));
}

function riverTable(river, names) {
  const every = Math.max(1, Math.round(river.dates.length / 26));
  const rows = river.dates.map((iso, i) => [iso, i]).filter(([, i]) => (river.dates.length - 1 - i) % every === 0);
  return table(
    [t("dateHead"), ...river.curves.map((one) => ({ text: names(one.topic), number: true }))],
    rows.map(([iso, i]) => [date(iso), ...river.curves.map((one) => percent(one.share[i]))]),
    { caption: t("riverTitleShort", river.user_id) },
  );
}

function drawing(river, width, view, name, slot, changes) {
  const days = river.dates.map(toDay);
  const now = toDay(river.now);
  const ahead = Math.max(0, ...river.forecast.map((one) => one.days));
  const narrow = width < 560;
  const labelSpace = narrow ? 4 : 168;
  const frame = {
    width, narrow, days, now, ahead,
    top: 26, height: narrow ? 250 : 330, left: view === "lines" ? 38 : 4, right: width - labelSpace,
  };
  frame.x = linear(days[0], now + ahead, frame.left, frame.right);
  const parts = view === "lines" ? lineParts(river, frame, slot, name) : streamParts(river, frame, slot, name);
  const total = frame.top + frame.height + 74;
  const rule = s("line", { class: "cursor", y1: frame.top, y2: frame.top + frame.height + 36, visibility: "hidden" });
  const svg = s("svg", { width, height: total, viewBox: `0 0 ${width} ${total}`, class: "plot" },
    fade(frame), grid(frame), parts, nowMark(frame), changeMarks(river, frame, changes), visitTicks(river, frame),
    timeAxis(frame), rule);
  const x = (i) => frame.x(days[i]);
  return readable(svg, {
    n: days.length, label: `${t("riverTitleShort", river.user_id)}. ${t("readHelp")}`, x,
    say: (i) => `${longDate(river.dates[i])}: ${ordered(river, i).map((k) => `${name(k)} ${percent(river.curves[k].share[i])}`).join(", ")}`,
    show: (i) => cardOf(river, i, name, slot),
    mark: (i) => {
      rule.setAttribute("visibility", i < 0 ? "hidden" : "visible");
      if (i >= 0) ["x1", "x2"].forEach((name) => rule.setAttribute(name, x(i)));
    },
  });
}

const ordered = (river, i) =>
  river.curves.map((_, k) => k).filter((k) => river.curves[k].share[i] >= 0.005)
    .sort((a, b) => river.curves[b].share[i] - river.curves[a].share[i]);

function cardOf(river, i, name, slot) {
  const visit = river.visits.filter((one) => one.date <= river.dates[i] && (i === 0 || one.date > river.dates[i - 1])).at(-1);
  return [
    h("p", { class: "when" }, date(river.dates[i])),
    h("dl", {}, ordered(river, i).map((k) => h("div", {},
      h("dt", {}, h("span", { class: `dot c${slot(river.curves[k].topic)}` }), name(k)),
      h("dd", {}, percent(river.curves[k].share[i]))))),
    visit && h("p", { class: "note" }, t("eventsOn", visit.events), visit.titles.length ? `: ${visit.titles.join(", ")}` : ""),
  ].filter(Boolean);
}

function fade(frame) {
  const stops = [[0, 0.72], [0.6, 0.42], [1, 0.12]];
  return s("defs", {},
    s("linearGradient", { id: "fade", gradientUnits: "userSpaceOnUse", x1: frame.x(frame.now), x2: frame.right },
      stops.map(([at, opacity]) => s("stop", { offset: at, "stop-color": "#fff", "stop-opacity": opacity }))),
    s("mask", { id: "fading", maskUnits: "userSpaceOnUse", x: 0, y: 0, width: frame.width, height: frame.height + 80 },
      s("rect", { x: frame.x(frame.now), y: 0, width: Math.max(0, frame.right - frame.x(frame.now)),
        height: frame.height + 80, fill: "url(#fade)" })));
}

const axisDays = (frame) =>
  months(frame.days[0], frame.now + frame.ahead, frame.narrow ? 4 : 13).filter((day) => frame.x(day) < frame.width - 22);

function grid(frame) {
  return axisDays(frame).map((day) =>
    s("line", { class: "grid", x1: frame.x(day), x2: frame.x(day), y1: frame.top, y2: frame.top + frame.height + 36 }));
}

function timeAxis(frame) {
  const y = frame.top + frame.height + 52;
  const days = axisDays(frame);
  return days.map((day, i) => s("text", { class: "tick", x: frame.x(day), y, "text-anchor": "start" },
    monthOrYear(day, days),
    carriesYear(day, i) && monthOrYear(day, days) !== fromDay(day).slice(0, 4) && s("tspan", { class: "year", x: frame.x(day), dy: 15 }, fromDay(day).slice(0, 4))));
}

function nowMark(frame) {
  const x = frame.x(frame.now);
  const room = frame.right - x;
  return s("g", { class: "now" },
    s("line", { x1: x, x2: x, y1: frame.top - 8, y2: frame.top + frame.height + 36 }),
    s("text", { x: x - 6, y: frame.top - 12, "text-anchor": "end" }, t("now")),
    room > 54 - (frame.width - frame.right) && s("text", { class: "soft", x: x + 6, y: frame.top - 12 }, t("then")));
}

function changeMarks(river, frame, changes) {
  return changes.map((change, k) => {
    const x = frame.x(frame.days[change.i]);
    return s("g", { class: "change" },
      s("line", { x1: x, x2: x, y1: frame.top, y2: frame.top + frame.height - 6 }),
      s("circle", { cx: x, cy: frame.top + frame.height + 2, r: 8.5 }),
      s("text", { x, y: frame.top + frame.height + 6, "text-anchor": "middle" }, k + 1));
  });
}

function visitTicks(river, frame) {
  const base = frame.top + frame.height + 36;
  const most = Math.max(1, ...river.visits.map((one) => one.events));
  return s("g", { class: "visits" }, river.visits.filter((one) => one.date >= river.dates[0]).map((one) => {
    const x = frame.x(toDay(one.date));
    return s("line", { x1: x, x2: x, y1: base, y2: base - 5 - 19 * Math.sqrt(one.events / most) });
  }));
}

function streamParts(river, frame, slot, name) {
  const middle = frame.top + frame.height / 2;
  const totals = frame.days.map((_, i) => river.curves.reduce((sum, one) => sum + one.weight[i], 0));
  const scale = (frame.height - 8) / (Math.max(...totals) || 1);
  const layers = silhouette(river.curves.map((one) => one.share.map((share, i) => share * totals[i] * scale)));
  const areas = layers.map((layer, k) => s("path", {
    class: `layer c${slot(river.curves[k].topic)}`,
    d: band(layer.map(([low], i) => [frame.x(frame.days[i]), middle + low]),
      layer.map(([, high], i) => [frame.x(frame.days[i]), middle + high])),
  }));
  const ahead = streamForecast(river, frame, totals.at(-1) * scale, middle, slot);
  if (frame.narrow) return [areas, ahead.areas];
  const inside = layers.map((layer, k) => streamLabel(layer, k, river, frame, middle, name, slot));
  const outside = river.curves.map((one, k) => [one, k]).filter(([, k]) => !inside[k]);
  return [areas, ahead.areas, inside, endLabels(outside, frame, outside.map(([, k]) => ahead.ends[k]), name, slot)];
}

/** The river after now, its width kept, and the middle of each layer at its end. */
function streamForecast(river, frame, total, middle, slot) {
  const end = frame.days.length - 1;
  const at = [frame.now, ...river.forecast.map((one) => frame.now + one.days)];
  const layers = silhouette(river.curves.map((one) => [
    one.share[end] * total,
    ...river.forecast.map((step) => (step.bands.find((b) => b.topic === one.topic)?.share ?? 0) * total),
  ]));
  const areas = s("g", { mask: "url(#fading)" }, layers.map((layer, k) => s("path", {
    class: `layer c${slot(river.curves[k].topic)}`,
    d: band(layer.map(([low], i) => [frame.x(at[i]), middle + low]), layer.map(([, high], i) => [frame.x(at[i]), middle + high])),
  })));
  const ends = layers.map((layer) => middle + (layer.at(-1)[0] + layer.at(-1)[1]) / 2);
  return { areas: river.forecast.length ? areas : null, ends };
}

/** A name inside its layer, where a level box of its size fits best; none where none fits. */
function streamLabel(layer, k, river, frame, middle, name, slot) {
  const text = name(k);
  const half = (text.length * 6.9) / 2 + 4;
  let best = null;
  frame.days.forEach((day, i) => {
    const x = frame.x(day);
    if (x - half < frame.left || x + half > frame.x(frame.now)) return;
    let [low, high] = [-Infinity, Infinity];
    for (let j = 0; j < frame.days.length; j += 1) {
      if (Math.abs(frame.x(frame.days[j]) - x) > half + 3) continue;
      low = Math.max(low, layer[j][0]);
      high = Math.min(high, layer[j][1]);
    }
    if (!best || high - low > best.room) best = { room: high - low, x, y: (low + high) / 2 };
  });
  if (!best || best.room < 17) return null;
  return s("text", { class: `inside c${slot(river.curves[k].topic)}`, x: best.x, y: middle + best.y + 4.5, "text-anchor": "middle" }, text);
}

function lineParts(river, frame, slot, name) {
  const named = river.curves.map((one, k) => [one, k]).filter(([one]) => one.topic >= 0); // the rest would dwarf them
  const bands = river.forecast.flatMap((step) => step.bands.filter((one) => one.topic >= 0).map((one) => one.high50));
  const top = Math.max(...named.flatMap(([one]) => one.share), ...bands);
  const ticks = steps(top, 4);
  const y = linear(0, ticks.at(-1), frame.top + frame.height, frame.top + 4);
  const clamp = (value) => y(Math.min(value, ticks.at(-1)));
  const axis = ticks.map((tick) => s("g", {},
    s("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
    s("text", { class: "tick", x: frame.left - 6, y: y(tick) + 4, "text-anchor": "end" }, `${Math.round(100 * tick)}%`)));
  const x = (i) => frame.x(frame.days[i]);
  const shades = named.map(([one]) => s("path", {
    class: `shade c${slot(one.topic)}`,
    d: band(one.low.map((v, i) => [x(i), clamp(v)]), one.high.map((v, i) => [x(i), clamp(v)])),
  }));
  const paths = named.map(([one]) =>
    s("path", { class: `line c${slot(one.topic)}`, d: curve(one.share.map((v, i) => [x(i), clamp(v)])) }));
  return [axis, shades, paths, named.map(([one]) => lineForecast(river, frame, one, clamp, slot)),
    endLabels(named, frame, named.map(([one]) => clamp(lastShare(river, one))), name, slot)];
}

function lineForecast(river, frame, one, y, slot) {
  const end = one.share.length - 1;
  const start = { share: one.share[end], low50: one.share[end], high50: one.share[end], low90: one.share[end], high90: one.share[end] };
  const bands = [start, ...river.forecast.map((step) => step.bands.find((b) => b.topic === one.topic) ?? start)];
  const at = [frame.now, ...river.forecast.map((step) => frame.now + step.days)].map(frame.x);
  const area = (low, high, className) => s("path", { class: `${className} c${slot(one.topic)}`,
    d: band(bands.map((b, i) => [at[i], y(b[low])]), bands.map((b, i) => [at[i], y(b[high])])) });
  return river.forecast.length > 0 && s("g", {},
    area("low90", "high90", "in90"), area("low50", "high50", "in50"),
    s("path", { class: `line ahead c${slot(one.topic)}`, d: curve(bands.map((b, i) => [at[i], y(b.share)])) }));
}

const lastShare = (river, one) =>
  river.forecast.at(-1)?.bands.find((band) => band.topic === one.topic)?.share ?? one.share.at(-1);

/** Names to the right of the drawing at the heights `ends`, kept apart, each tied to its place. */
function endLabels(named, frame, ends, name, slot) {
  if (frame.narrow) return null;
  const places = spread(ends, 16, frame.top + 6, frame.top + frame.height);
  return named.map(([one, k], i) => s("g", {},
    s("path", { class: `leader c${slot(one.topic)}`, d: `M${frame.right + 2},${ends[i]}L${frame.right + 11},${places[i]}` }),
    s("text", { class: `end c${slot(one.topic)}`, x: frame.right + 14, y: places[i] + 4 }, clip(name(k), 26))));
}

const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
