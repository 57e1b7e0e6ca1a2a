// Numbers and dates as people read them, in the language of the page.
import { language } from "./strings.js";

const locale = () => (language() === "zh" ? "zh-CN" : "en-GB");

/** A whole number with separators. */
export const count = (n) => new Intl.NumberFormat(locale()).format(n);

/** A share of one as a percentage: 0.084 is "8.4%", and above a fifth without the decimal. */
export function percent(share, digits = Math.abs(share) < 0.2 ? 1 : 0) {
  const text = (100 * share).toFixed(digits).replace("-", "−");
  return `${text.replace(/^−?0\.?0*$/, "0")}%`;
}

/** A change of share in percentage points, signed. */
export function points(change) {
  const text = Math.abs(100 * change).toFixed(1);
  return text === "0.0" ? text : `${change > 0 ? "+" : "−"}${text}`;
}

/** A metric with four decimals, without the zero before the point, as papers print it. */
export const metric = (value) => value.toFixed(4).replace(/^(-?)0\./, "$1.").replace("-", "−");

/** Days since 1970 of an ISO day. */
export const toDay = (iso) => Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) / 86400000;

/** The ISO day of days since 1970. */
export const fromDay = (day) => new Date(Math.round(day) * 86400000).toISOString().slice(0, 10);

const dated = (iso, options) =>
  new Intl.DateTimeFormat(locale(), { timeZone: "UTC", ...options }).format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));

/** "12 March 2011". */
export const longDate = (iso) => dated(iso, { day: "numeric", month: "long", year: "numeric" });

/** "12 Mar 2011". */
export const date = (iso) => dated(iso, { day: "numeric", month: "short", year: "numeric" });

/** "12 Mar". */
export const dayMonth = (iso) => dated(iso, { day: "numeric", month: "short" });

/** "12 Mar – 3 Apr 2011": one year where the language says it, both where they differ. */
export function dateRange(first, last) {
  if (first.slice(0, 4) !== last.slice(0, 4)) return `${date(first)} – ${date(last)}`;
  return language() === "zh" ? `${date(first)} – ${dayMonth(last)}` : `${dayMonth(first)} – ${date(last)}`;
}

/** "March 2011". */
export const monthYear = (iso) => dated(iso, { month: "long", year: "numeric" });

/** "Mar", and the year in January or where asked. */
export const month = (iso) => dated(iso, { month: "short" });

/** Names with commas and an "and". */
export const list = (names) => new Intl.ListFormat(locale(), { type: "conjunction" }).format(names);
