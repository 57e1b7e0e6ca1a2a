// The geometry that charts share: linear scales, month ticks, stacked layers, smooth curves that never overshoot.
import { fromDay, month } from "./format.js";

/** A function from [d0, d1] to [r0, r1]. */
export function linear(d0, d1, r0, r1) {
  const slope = d1 === d0 ? 0 : (r1 - r0) / (d1 - d0);
  return (value) => r0 + (value - d0) * slope;
}

/** Round steps from 0 to at least `top`, about `n` of them. */
export function steps(top, n = 4) {
  const raw = (top || 1) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= raw * 0.999);
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, i) => i * step);
}

/** First days of months (as days since 1970) in a span, thinned so that at most `most` remain. */
export function months(first, last, most) {
  const start = new Date(first * 86400000);
  const all = [];
  for (let i = 0; i < 1200; i += 1) {
    const day = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + i, 1) / 86400000;
    if (day > last) break;
    if (day >= first) all.push(day);
  }
  const every = [1, 2, 3, 4, 6, 12, 24].find((k) => all.length / k <= most) ?? 24;
  return all.filter((day) => {
    const at = new Date(day * 86400000);
    return (12 * at.getUTCFullYear() + at.getUTCMonth()) % every === 0;
  });
}

/** What a tick of `months` says: the month, or the year where only years are left. */
export const monthOrYear = (day, days) => (days.length > 1 && days[1] - days[0] > 300 ? fromDay(day).slice(0, 4) : month(fromDay(day)));

/** Whether a month's tick should carry its year: the first one, and each January. */
export const carriesYear = (day, i) => i === 0 || fromDay(day).slice(5, 7) === "01";

/** Layers stacked around the middle: for each layer [[low, high] per point], centred on 0. */
export function silhouette(layers) {
  const n = layers[0]?.length ?? 0;
  const stacked = layers.map(() => []);
  for (let i = 0; i < n; i += 1) {
    let edge = -layers.reduce((sum, layer) => sum + layer[i], 0) / 2;
    layers.forEach((layer, k) => {
      stacked[k].push([edge, edge + layer[i]]);
      edge += layer[i];
    });
  }
  return stacked;
}

// Tangents after Fritsch and Carlson (1980) in Steffen's form: a curve through the points without new extremes.
function tangents(points) {
  const n = points.length;
  const slope = (i) => (points[i + 1][1] - points[i][1]) / (points[i + 1][0] - points[i][0] || 1);
  return points.map((_, i) => {
    if (n < 2) return 0;
    if (i === 0) return slope(0);
    if (i === n - 1) return slope(n - 2);
    const [a, b] = [slope(i - 1), slope(i)];
    const [p, q] = [points[i][0] - points[i - 1][0], points[i + 1][0] - points[i][0]];
    const mean = (a * q + b * p) / (p + q || 1);
    return (Math.sign(a) + Math.sign(b)) * Math.min(Math.abs(a), Math.abs(b), 0.5 * Math.abs(mean)) || 0;
  });
}

const at = (x, y) => `${x.toFixed(1)},${y.toFixed(1)}`;

function segments(points) {
  const slopes = tangents(points);
  return points.slice(1).map(([x, y], i) => {
    const [x0, y0] = points[i];
    const third = (x - x0) / 3;
    return `C${at(x0 + third, y0 + third * slopes[i])} ${at(x - third, y - third * slopes[i + 1])} ${at(x, y)}`;
  }).join("");
}

/** A smooth path through points [[x, y]]. */
export const curve = (points) => (points.length ? `M${at(...points[0])}${segments(points)}` : "");

/** The area between a lower and an upper curve over the same x. */
export function band(lower, upper) {
  const back = [...lower].reverse();
  if (!upper.length) return "";
  return `${curve(upper)}L${at(...back[0])}${segments(back)}Z`;
}

/** Places for labels of the given height near wanted positions, in order, without overlap, inside [low, high]. */
export function spread(wanted, height, low, high) {
  const order = wanted.map((y, i) => [y, i]).sort((a, b) => a[0] - b[0]);
  const places = [];
  order.forEach(([y], k) => places.push(Math.max(y, k ? places[k - 1] + height : low)));
  for (let k = places.length - 1, top = high; k >= 0; k -= 1, top = places[k + 1] - height)
    places[k] = Math.min(places[k], top);
  const result = [];
  order.forEach(([, i], k) => { result[i] = places[k]; });
  return result;
}
