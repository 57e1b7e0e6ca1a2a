// What reading the data found: every oddity with its count, an example, and what is done about it.
import { h, table } from "./dom.js";
import { count, longDate } from "./format.js";
import { t } from "./strings.js";

/** The section. */
export function qualityFigure(data) {
  return h("div", { class: "figure" },
    h("p", { class: "says" }, t("dataSays", count(data.rows), count(data.kept), longDate(data.first), longDate(data.last)), " ",
      data.faults.length ? t("dataFaults", data.faults.length) : t("dataClean")),
    t("repeats")[data.repeats] && h("p", { class: "note" }, t("repeats")[data.repeats]),
    data.faults.length > 0 && table(
      [t("codeHead"), { text: t("countHead"), number: true }, t("exampleHead"), t("actionHead")],
      data.faults.map((one) => [one.code, count(one.count), h("span", { class: "example" }, one.example), one.action]),
      { caption: t("dataTitle"), className: "faults" }));
}
