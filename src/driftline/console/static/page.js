// The page: reads the data inside the document, puts the sections in order, and answers the two switches.
import { choice, h, said, told } from "./dom.js";
import { count, list, longDate, monthYear, toDay } from "./format.js";
import { forecastFigure } from "./forecast.js";
import { modelsFigure } from "./models.js";
import { byMovement, falls, populationFigure, rises } from "./population.js";
import { qualityFigure } from "./quality.js";
import { riverFigure } from "./river.js";
import { armOrder, slateFigure } from "./slate.js";
import { language, speak, t } from "./strings.js";

const report = JSON.parse(document.getElementById("data").textContent);
const names = (topic) => (topic < 0 ? t("other") : report.topics[topic].name);

// The same interest has the same colour everywhere: first the river's, then those that move the most.
const slots = new Map();
for (const curve of report.river?.curves ?? []) if (curve.topic >= 0 && slots.size < 8) slots.set(curve.topic, slots.size);
for (const one of report.population ? byMovement(report.population) : [])
  if (slots.size < 8 && !slots.has(one.topic)) slots.set(one.topic, slots.size);
const slot = (topic) => slots.get(topic) ?? "x";

const section = (id, title, ...content) =>
  h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), content);

function lead() {
  const { data, population, models } = report;
  const parts = [t("leadData", count(data.users), count(data.events), count(data.items), monthYear(data.first), monthYear(data.last))];
  if (population) {
    const moved = byMovement(population);
    const ups = moved.filter(rises).slice(0, 2).map((one) => said(names(one.topic)));
    const downs = moved.filter(falls).slice(0, 2).map((one) => said(names(one.topic)));
    parts.push(ups.length && downs.length ? t("leadMove", list(ups), list(downs)) : ups.length ? t("leadUp", list(ups)) : t("leadStill"));
  }
  const verdict = models && versusPopularity(models.rows);
  if (verdict) parts.push(verdict);
  return parts.join(language() === "zh" ? "" : " ");
}

function versusPopularity(rows) {
  const value = (row) => row.metrics["ndcg@10"]?.value ?? 0;
  const best = [...rows].sort((a, b) => value(b) - value(a))[0];
  const base = rows.find((row) => row.name === "popularity-7d") ?? rows.find((row) => row.name === "popularity");
  if (!best || !base || best === base || !(base.behind["ndcg@10"]?.low > 0)) return null;
  return t("leadModels", best.name, (value(best) / value(base)).toFixed(1), base.name);
}

function facts() {
  const { data } = report;
  const days = toDay(data.last) - toDay(data.first) + 1;
  const seconds = Math.round(report.seconds);
  const time = seconds < 60 ? t("seconds", seconds) : t("minutes", Math.floor(seconds / 60), seconds % 60);
  const pairs = [[count(data.users), t("people")], [count(data.events), t("events")], [count(data.items), t("items")],
    [count(report.topics.length), t("topics")], [count(days), t("days")], [time, t("took")]];
  return h("dl", { class: "counts" }, pairs.map(([value, name]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function person() {
  const { river } = report;
  if (!river) return null;
  const days = toDay(river.now) - toDay(river.dates[0]);
  return section("person", t(days > 300 && days < 430 ? "riverTitle" : "riverTitleShort", river.user_id),
    h("p", { class: "note" }, t("chosen", river.rule)),
    h("div", { class: "pair" }, riverFigure(river, names, slot), forecastFigure(river, names, slot)));
}

function sections() {
  const { slate, models, population, river } = report;
  const order = armOrder(report);
  return [
    person(),
    slate && section("slate", t("slateTitle", longDate(river.now)), slateFigure(slate, order, names, slot)),
    models && section("models", t("modelsTitle"), modelsFigure(models, order)),
    population && section("population", t("movesTitle"), populationFigure(population, names, slot)),
    section("quality", t("dataTitle"), qualityFigure(report.data)),
    report.commands.length > 0 && section("again", t("again"), h("p", { class: "note" }, t("againSays")),
      h("pre", { tabindex: "0" }, report.commands.join("\n"))),
  ];
}

function controls() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  return h("div", { class: "controls" },
    choice(t("language"), [["en", "English", "en"], ["zh", "中文", "zh"]], language(), (lang) => { speak(lang); draw(); }),
    choice(t("theme"), [["auto", t("auto")], ["light", t("light")], ["dark", t("dark")]], theme, (to) => {
      if (to === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = to;
    }));
}

const redrawAll = () => document.querySelectorAll(".chart").forEach((chart) => chart.redraw?.());

function draw() {
  document.documentElement.lang = language();
  document.querySelector(".skip").textContent = t("skip");
  document.getElementById("page").replaceChildren(
    h("header", {}, h("p", { class: "mark" }, "Driftline"), controls()),
    h("main", { id: "main" },
      h("p", { class: "kicker" }, t("kicker", report.data.name)), h("h1", {}, t("headline")),
      h("p", { class: "lead" }, told(lead())), facts(), sections().filter(Boolean)),
    h("footer", {}, h("p", {}, t("made", report.version)),
      report.data.notice && h("details", {}, h("summary", {}, t("notice")), h("pre", { class: "notice" }, report.data.notice))));
  redrawAll();
}

const wanted = new URLSearchParams(location.hash.slice(1));
speak(wanted.get("lang") ?? "en");
if (["light", "dark"].includes(wanted.get("theme"))) document.documentElement.dataset.theme = wanted.get("theme");
draw();
addEventListener("beforeprint", redrawAll);
