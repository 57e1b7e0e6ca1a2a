// The models side by side: a dot with its interval for each, best first, ties said aloud.
import { choice, h, s, table } from "./dom.js";
import { count, longDate, list, metric, percent } from "./format.js";
import { linear } from "./scales.js";
import { armBar } from "./slate.js";
import { t } from "./strings.js";

/** The section; the measure can be chosen. */
export function modelsFigure(models, order) {
  const known = ["ndcg@10", "hr@10", "hr@20", "mrr@20"].filter((name) => models.rows.every((row) => row.metrics[name]));
  const box = h("div", {});
  const show = (name) => box.replaceChildren(...drawing(models, name));
  show(known[0]);
  return h("div", { class: "figure" },
    h("div", { class: "row" }, h("p", { class: "note wide" }, t("modelsHow", count(models.targets), count(models.users), longDate(models.cutoff))),
      choice(t("metricHead"), known.map((name) => [name, t("metrics")[name]]), known[0], show)),
    box,
    order.length > 0 && Object.keys(models.arms).length > 0 && blend(models, order));
}

function blend(models, order) {
  const name = order.find((one) => models.arms[one] > 0);
  return h("div", { class: "blend" }, h("h3", {}, t("blendTitle")),
    h("p", { class: "says" }, name ? t("blendSays", name, percent(models.arms[name])) : ""),
    armBar(models.arms, order, { labels: true }));
}

const tiedWithBest = (row, name) => row.behind[name] && row.behind[name].low <= 0;

function drawing(models, name) {
  const rows = [...models.rows].sort((a, b) => b.metrics[name].value - a.metrics[name].value);
  const top = Math.max(...rows.map((row) => row.metrics[name].high));
  const tied = rows.slice(1).filter((row) => tiedWithBest(row, name)).map((row) => row.name);
  const has = (part) => rows.some((row) => row[part][name] !== undefined);
  const number = (text) => ({ text, number: true });
  const head = [t("modelHead"), t("metrics")[name], number("95%"), ...(has("warm") ? [number(t("warmHead"))] : []),
    ...(has("cold") ? [number(t("coldHead"))] : []), number(t("secondsHead"))];
  return [
    h("p", { class: "says" }, t("modelsSays", rows[0].name, metric(rows[0].metrics[name].value), tied.length ? list(tied) : "")),
    table(head, rows.map((row, i) => cells(row, i, name, top, has)), { caption: t("modelsTitle"), className: "models" }),
  ];
}

function cells(row, i, name, top, has) {
  const one = row.metrics[name];
  const state = i === 0 ? "best" : tiedWithBest(row, name) ? "tied" : "behind";
  const seconds = row.seconds === null ? "" : t("seconds", row.seconds < 10 ? row.seconds.toFixed(1) : Math.round(row.seconds));
  const plain = (part) => (row[part][name] === undefined ? "–" : metric(row[part][name]));
  return [
    h("span", {}, row.name, state !== "behind" && h("span", { class: `badge ${state}` }, t(state))),
    h("span", { class: "interval" }, dotPlot(one, top, state), h("b", {}, metric(one.value))),
    `${metric(one.low)} – ${metric(one.high)}`,
    ...(has("warm") ? [plain("warm")] : []), ...(has("cold") ? [plain("cold")] : []), seconds,
  ];
}

function dotPlot(one, top, state) {
  const x = linear(0, top, 2, 196);
  return s("svg", { class: `dots ${state}`, viewBox: "0 0 200 18", "aria-hidden": "true" },
    s("line", { class: "grid", x1: 2, x2: 198, y1: 9, y2: 9 }),
    s("line", { class: "span", x1: x(one.low), x2: x(one.high), y1: 9, y2: 9 }),
    s("circle", { cx: x(one.value), cy: 9, r: 4.5 }));
}
