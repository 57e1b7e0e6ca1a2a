// Reading a chart value by value: the pointer, a finger, or the arrow keys move one mark along it.
import { h } from "./dom.js";

/**
 * Makes `svg` readable at `n` places. `x(i)` is where place i stands, `say(i)` its words for a screen reader, and
 * `show(i)` the nodes of the card; `mark(i)` may move things inside the drawing, and is told -1 when reading ends.
 */
export function readable(svg, { n, start = n - 1, label, x, say, show, mark }) {
  const card = h("div", { class: "card", hidden: true });
  const box = h("div", {
    class: "readable", tabindex: "0", role: "slider", "aria-label": label, "aria-orientation": "horizontal",
    "aria-valuemin": "0", "aria-valuemax": String(n - 1), "aria-valuenow": String(start), "aria-valuetext": say(start),
  }, svg, card);
  svg.setAttribute("aria-hidden", "true");
  let place = start;
  const move = (to) => {
    place = Math.max(0, Math.min(n - 1, to));
    box.setAttribute("aria-valuenow", String(place));
    box.setAttribute("aria-valuetext", say(place));
    card.replaceChildren(...[show(place)].flat(2));
    card.hidden = false;
    mark(place);
    const width = svg.clientWidth || 1;
    const wide = card.offsetWidth;
    const right = x(place) + 14 + wide <= width;
    card.style.left = `${Math.max(0, right ? x(place) + 14 : Math.min(x(place) - 14, width) - wide)}px`;
  };
  const leave = () => { card.hidden = true; mark(-1); };
  const nearest = (clientX) => {
    const inside = clientX - svg.getBoundingClientRect().left;
    let best = 0;
    for (let i = 1; i < n; i += 1) if (Math.abs(x(i) - inside) < Math.abs(x(best) - inside)) best = i;
    return best;
  };
  const keys = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageUp: -4, PageDown: 4 };
  box.addEventListener("keydown", (event) => {
    const to = event.key === "Home" ? 0 : event.key === "End" ? n - 1 : keys[event.key] && place + keys[event.key];
    if (event.key === "Escape") leave();
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  box.addEventListener("focus", () => { if (box.matches(":focus-visible")) move(place); });
  box.addEventListener("blur", leave);
  svg.addEventListener("pointermove", (event) => move(nearest(event.clientX)));
  svg.addEventListener("pointerdown", (event) => move(nearest(event.clientX)));
  svg.addEventListener("pointerleave", leave);
  return box;
}
