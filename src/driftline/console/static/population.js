// Everybody: which interests rose and fell, and how each went week by week.
import { h, responsive, s, said, table, told } from "./dom.js";
import { date, dateRange, list, monthYear, percent, points, toDay } from "./format.js";
import { readable } from "./reader.js";
import { curve, linear, monthOrYear, months, steps } from "./scales.js";
import { t } from "./strings.js";

const SHOWN = 16; // rows of the chart of changes
const PANELS = 12;
const FOLLOWERS = 3; // panels kept for topics that move with the context


export const rises = (one) => one.change.low > 0;
export const falls = (one) => one.change.high < 0;

/** Topics that moved beyond chance, the most moved first; then those that did not. */
export function byMovement(population) {
  const clear = (one) => rises(one) || falls(one);
  return [...population.movements].sort((a, b) => clear(b) - clear(a) || Math.abs(b.change.value) - Math.abs(a.change.value));
}

const span = ([first, last]) =>
  monthYear(first) === monthYear(last) ? monthYear(first) : dateRange(first, last);

/** The section: changes, then weeks. */
export function populationFigure(population, names, slot) {
  const ordered = byMovement(population);
  const shown = ordered.slice(0, SHOWN).sort((a, b) => b.change.value - a.change.value);
  const ups = population.movements.filter(rises).length;
  const downs = population.movements.filter(falls).length;
  const [a, b] = [span(population.earlier), span(population.recent)];
  return h("div", { class: "figure" },
    h("p", { class: "says" }, t("movesSays", a, b, ups, downs)),
    h("p", { class: "note" }, t("movesHow", a, b), " ", population.without_topic > 0.0005 ? t("withoutTopic", percent(population.without_topic)) : "",
      ordered.length > SHOWN ? ` ${t("notShown", ordered.length - SHOWN)}` : "",
      population.too_few > 0 ? ` ${t("tooFew", population.too_few, population.least_people)}` : ""),
    responsive((width) => changes(shown, width, names, slot)),
    h("details", {}, h("summary", {}, t("table")), changeTable(population, names)),
    h("h3", {}, t("weeklyTitle")),
    followSentence(population, names),
    h("p", { class: "note" }, t("weeklyHow", population.step_days), population.occasions.length ? ` ${t("rules")}` : ""),
    weekly(population, panelRows(population, ordered), names, slot));
}

/** The topics of the panels: the most moved, then those that follow the context, beside which its own panel stands. */
function panelRows(population, ordered) {
  const follows = population.context?.follows ?? {};
  const strength = (one) => Math.abs(follows[one.topic].value);
  const followers = ordered.filter((one) => follows[one.topic]).sort((a, b) => strength(b) - strength(a)).slice(0, FOLLOWERS);
  const others = ordered.filter((one) => !followers.includes(one));
  return [...others.slice(0, PANELS - followers.length - (population.context ? 1 : 0)), ...followers];
}

function followSentence(population, names) {
  const follows = Object.entries(population.context?.follows ?? {}).sort((a, b) => Math.abs(b[1].value) - Math.abs(a[1].value));
  const closest = population.context?.closest;
  if (!follows.length)
    return closest && h("p", { class: "says" }, told(t("followNone", contextName(population), said(names(closest[0])), signed(closest[1]))));
  const [topic, r] = follows[0];
  return h("p", { class: "says" }, told(t("followSays", said(names(Number(topic))), contextName(population), signed(r.value))));
}

const contextName = (population) => (population.context.name === "temperature" ? t("temperature") : population.context.name);
const signed = (r) => `${r < 0 ? "−" : "+"}${Math.abs(r).toFixed(2)}`;

function changeTable(population, names) {
  const number = (text) => ({ text, number: true });
  return table([t("interestHead"), number(t("changeHead")), number("95%"), number(t("beforeHead")), number(t("afterHead"))],
    [...population.movements].sort((a, b) => b.change.value - a.change.value).map((one) => [
      names(one.topic), points(one.change.value), `${points(one.change.low)} – ${points(one.change.high)}`,
      ...ends(one.shares),
    ]), { caption: t("movesTitle") });
}

const ends = (shares) => {
  const known = shares.filter((share) => share !== null);
  return [known[0], known.at(-1)].map((share) => percent(share ?? 0));
};

function changes(rows, width, names, slot) {
  const narrow = width < 560;
  const tall = narrow ? 40 : 27;
  const height = rows.length * tall + 34;
  const left = narrow ? 8 : 210;
  const low = Math.min(0, ...rows.map((row) => row.change.low));
  const high = Math.max(0, ...rows.map((row) => row.change.high));
  const step = steps(100 * Math.max(high, -low), narrow ? 2 : 4)[1] / 100;
  const [from, to] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const x = linear(from, to, left + 8, width - (narrow ? 10 : 62));
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => from + i * step);
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", "aria-label": t("movesTitle") },
    ticks.map((tick) => s("g", {},
      s("line", { class: Math.abs(tick) < 1e-9 ? "zero" : "grid", x1: x(tick), x2: x(tick), y1: 0, y2: height - 30 }),
      s("text", { class: "tick", x: x(tick), y: height - 14, "text-anchor": "middle" }, points(tick).replace(".0", "")))),
    rows.map((row, i) => changeRow(row, i * tall, x, { narrow, left, width, tall }, names, slot)));
}

function changeRow(row, y, x, { narrow, left, width }, names, slot) {
  const clear = rises(row) || falls(row);
  const c = clear ? `c${slot(row.topic)}` : "unclear";
  const mark = narrow ? y + 26 : y + 14;
  return s("g", { class: clear ? "clear" : "pale" },
    s("text", { class: "rowname", x: narrow ? 8 : left - 8, y: narrow ? y + 14 : y + 18, "text-anchor": narrow ? "start" : "end" }, names(row.topic)),
    s("line", { class: `whisker ${c}`, x1: x(row.change.low), x2: x(row.change.high), y1: mark, y2: mark }),
    s("circle", { class: `point ${c}`, cx: x(row.change.value), cy: mark, r: 4.5 }),
    s("text", { class: "rowvalue", x: width - 4, y: narrow ? y + 14 : y + 18, "text-anchor": "end" }, points(row.change.value)));
}

function weekly(population, rows, names, slot) {
  const context = population.context;
  const panels = rows.map((one) => ({
    title: names(one.topic), values: one.shares, c: `c${slot(one.topic)}`, form: percent,
    note: context?.follows[one.topic] ? t("follows", contextName(population), signed(context.follows[one.topic].value)) : `${points(one.change.value)}`,
  }));
  if (context) {
    const unit = (v) => `${v.toFixed(0).replace("-", "−")} ${context.unit}`;
    panels.push({ title: contextName(population), values: context.values, c: "context", form: unit, note: context.unit, free: true });
  }
  return h("ul", { class: "panels" }, panels.map((panel) => h("li", {},
    h("p", { class: "paneltitle" }, h("strong", {}, panel.title), h("span", { class: "soft" }, panel.note)),
    responsive((width) => small(panel, population, width)))));
}

function small(panel, population, width) {
  const height = 104;
  const days = population.steps.map(toDay);
  const known = panel.values.map((v, i) => [v, i]).filter(([v]) => v !== null);
  const values = known.map(([v]) => v);
  const low = panel.free ? Math.min(0, ...values) : 0;
  const x = linear(days[0], days.at(-1), 2, width - 2);
  const y = linear(low, Math.max(...values, low + 1e-9), height - 22, 12);
  const places = known.map(([v, i]) => [x(days[i]), y(v)]);
  const line = curve(places);
  const ticks = months(days[0], days.at(-1), Math.max(2, Math.floor(width / 62))).filter((day) => x(day) < width - 26);
  const dot = s("circle", { class: `point ${panel.c}`, r: 4, visibility: "hidden" });
  const most = Math.max(...values);
  const peak = places[values.indexOf(most)];
  const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "plot" },
    population.occasions.map((one) => s("line", { class: "holiday", x1: x(toDay(one.date)), x2: x(toDay(one.date)), y1: 4, y2: height - 20 })),
    s("line", { class: "zero", x1: 0, x2: width, y1: y(Math.max(low, 0)), y2: y(Math.max(low, 0)) }),
    s("path", { class: `under ${panel.c}`, d: `${line}L${places.at(-1)[0].toFixed(1)},${y(low)}L${places[0][0].toFixed(1)},${y(low)}Z` }),
    s("path", { class: `line ${panel.c}`, d: line }),
    s("text", { class: "peak", x: Math.min(Math.max(peak[0], 18), width - 18), y: Math.max(9, peak[1] - 4), "text-anchor": "middle" }, panel.form(most)),
    ticks.map((day) => s("text", { class: "tick", x: x(day), y: height - 5 }, monthOrYear(day, ticks))),
    dot);
  const near = (i) => population.occasions.filter((one) => Math.abs(toDay(one.date) - days[i] - population.step_days / 2) <= population.step_days / 2 + 1).map((one) => one.name);
  return readable(svg, {
    n: known.length, label: `${panel.title}. ${t("readHelp")}`, x: (k) => places[k][0],
    say: (k) => `${date(population.steps[known[k][1]])}: ${panel.form(known[k][0])}`,
    show: (k) => [h("p", { class: "when" }, date(population.steps[known[k][1]])), h("p", {}, panel.form(known[k][0])),
      ...(near(known[k][1]).length ? [h("p", { class: "note" }, list(near(known[k][1])))] : [])],
    mark: (k) => {
      dot.setAttribute("visibility", k < 0 ? "hidden" : "visible");
      if (k >= 0) ["cx", "cy"].forEach((name, axis) => dot.setAttribute(name, places[k][axis]));
    },
  });
}
