// What was recommended: each item with its reason, the models behind its place, and what came of it.
import { h, s, table } from "./dom.js";
import { date, dayMonth, percent } from "./format.js";
import { t } from "./strings.js";

/** Shares of models as one bar; `order` fixes their shades. */
export function armBar(arms, order, { labels = false } = {}) {
  let left = 0;
  const parts = order.map((name, k) => [name, arms[name] ?? 0, k]).filter(([, share]) => share > 0);
  const words = parts.map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  const bar = s("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": words },
    parts.map(([name, share, k]) => {
      const rect = s("rect", { class: `a${k % 8}`, x: 100 * left, y: 0, width: Math.max(0, 100 * share - 0.5), height: 10 }, s("title", {}, `${name} ${percent(share)}`));
      left += share;
      return rect;
    }));
  return h("div", { class: "arms" }, bar, labels && armLegend(order, arms));
}

/** The models with their shades, and shares where given. */
export function armLegend(order, arms) {
  return h("ul", { class: "legend" }, order.filter((name) => !arms || arms[name] > 0).map((name) => {
    const k = order.indexOf(name) % 8;
    return h("li", {}, s("svg", { class: "swatch", viewBox: "0 0 10 10" }, s("rect", { class: `a${k}`, width: 10, height: 10 })),
      name, arms && h("b", {}, percent(arms[name])));
  }));
}

/** The order of models that fixes their shades all over the page: the biggest share of the blend first. */
export function armOrder(report) {
  const total = { ...(report.models?.arms ?? {}) };
  for (const item of report.slate?.items ?? [])
    for (const [name, share] of Object.entries(item.arms)) total[name] = (total[name] ?? 0) + share / 1000;
  return Object.keys(total).filter((name) => total[name] > 0).sort((a, b) => total[b] - total[a]);
}

/** The list with its sentence and table. */
export function slateFigure(slate, order, names, slot) {
  const items = slate.items;
  const hits = items.filter((item) => item.taken_on).length;
  const used = order.filter((name) => items.some((item) => item.arms[name] > 0));
  return h("div", { class: "figure" },
    h("p", { class: "says" }, slate.until ? t("slateSays", hits, items.length, date(slate.until)) : t("slatePlain", items.length)),
    h("ol", { class: "slate" }, items.map((item) => row(item, order, names, slot))),
    used.length > 0 && h("p", { class: "note" }, t("arms")),
    used.length > 0 && armLegendOf(used, order),
    h("details", {}, h("summary", {}, t("table")), asTable(items, used, names)));
}

function armLegendOf(used, order) {
  const legend = armLegend(order);
  [...legend.children].forEach((item, k) => { if (!used.includes(order[k])) item.remove(); });
  return legend;
}

function row(item, order, names, slot) {
  return h("li", {},
    h("div", { class: "what" }, h("strong", {}, item.title), h("span", { class: "reason" }, item.reason)),
    h("div", { class: "facts" },
      item.topic >= 0 && h("span", { class: "chip" }, h("span", { class: `dot c${slot(item.topic)}` }), names(item.topic)),
      h("span", { class: "soft" }, item.had ? t("had") : t("fresh")),
      item.taken_on && h("span", { class: "taken" }, "✓ ", t("taken", dayMonth(item.taken_on)))),
    armBar(item.arms, order));
}

function asTable(items, used, names) {
  return table(
    [t("itemHead"), t("reasonHead"), t("interestHead"), ...used.map((text) => ({ text, number: true })), t("laterHead")],
    items.map((item) => [item.title, item.reason, names(item.topic), ...used.map((name) => percent(item.arms[name] ?? 0)),
      item.taken_on ? date(item.taken_on) : "–"]),
    { caption: t("itemHead") },
  );
}
