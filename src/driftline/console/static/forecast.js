// Where one person's interests should be at the horizon: a dot with 50 and 90 % intervals, and what then came.
import { h, responsive, s, said, table, told } from "./dom.js";
import { percent } from "./format.js";
import { linear, steps } from "./scales.js";
import { t } from "./strings.js";

/** The panel beside the river; nothing where there is no forecast. */
export function forecastFigure(river, names, slot) {
  const step = river.forecast.at(-1);
  if (!step) return null;
  const rows = step.bands.map((one) => {
    const k = river.curves.findIndex((curve) => curve.topic === one.topic);
    return { ...one, now: river.curves[k]?.share.at(-1), came: river.came.length ? river.came[k] : undefined };
  }).sort((a, b) => (a.topic < 0) - (b.topic < 0) || b.share - a.share);
  return h("div", { class: "figure" },
    h("h3", {}, t("forecastTitle", Math.round(step.days))),
    h("p", { class: "says" }, told(sentence(rows, names)), " ", verdict(rows, river)),
    responsive((width) => drawing(rows, width, names, slot)),
    h("details", {}, h("summary", {}, t("table")), asTable(rows, names)));
}

function sentence(rows, names) {
  const best = rows.find((row) => row.topic >= 0);
  return best ? t("forecastSays", said(names(best.topic)), percent(best.share), percent(best.low90), percent(best.high90)) : "";
}

function verdict(rows, river) {
  const judged = rows.filter((row) => row.came !== undefined);
  if (!judged.length) return "";
  const inside = judged.filter((row) => row.came >= row.low90 - 1e-9 && row.came <= row.high90 + 1e-9).length;
  return t("forecastCame", inside, judged.length, river.came_events);
}

function asTable(rows, names) {
  const numbers = [t("nowShare"), t("share"), t("in50"), t("in90"), ...(rows.some((row) => row.came !== undefined) ? [t("came")] : [])];
  return table(
    [t("interestHead"), ...numbers.map((text) => ({ text, number: true }))],
    rows.map((row) => [
      names(row.topic), percent(row.now ?? 0), percent(row.share), `${percent(row.low50)} – ${percent(row.high50)}`,
      `${percent(row.low90)} – ${percent(row.high90)}`, ...(row.came === undefined ? [] : [percent(row.came)]),
    ]),
    { caption: t("forecastTitle", "") },
  );
}

function drawing(rows, width, names, slot) {
  const tall = 38;
  const height = rows.length * tall + 26;
  const top = Math.min(1, Math.max(...rows.map((row) => Math.max(row.high90, row.came ?? 0, row.now ?? 0))));
  const ticks = steps(top, width < 260 ? 2 : 3);
  const x = linear(0, ticks.at(-1), 6, width - 10);
  const axis = ticks.map((tick, i) => s("g", {},
    s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 4, y2: height - 22 }),
    s("text", { class: "tick", x: x(tick), y: height - 6, "text-anchor": i ? (i === ticks.length - 1 ? "end" : "middle") : "start" }, `${Math.round(100 * tick)}%`)));
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", "aria-label": t("forecastTitle", "") },
    axis, rows.map((row, i) => rowMarks(row, i * tall + 15, x, width, names, slot)));
}

function rowMarks(row, y, x, width, names, slot) {
  const c = `c${slot(row.topic)}`;
  const mark = y + 12;
  return s("g", {},
    s("text", { class: "rowname", x: 6, y }, names(row.topic)),
    s("text", { class: "rowvalue", x: width - 10, y, "text-anchor": "end" }, percent(row.share)),
    s("line", { class: `whisker ${c}`, x1: x(row.low90), x2: x(row.high90), y1: mark, y2: mark }),
    s("line", { class: `box ${c}`, x1: x(row.low50), x2: x(row.high50), y1: mark, y2: mark }),
    s("circle", { class: `point ${c}`, cx: x(row.share), cy: mark, r: 4.5 }),
    row.came !== undefined && s("path", { class: "came", d: `M${x(row.came)},${mark - 6}l5,6l-5,6l-5,-6Z` }));
}
