// Elements without templates: text is always a text node, so a title can never become markup.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** An HTML element. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const [OPEN, CLOSE] = ["\uE000", "\uE001"];

/** A name that stands out where it is said in a sentence; `told` makes it so. */
export const said = (name) => OPEN + name + CLOSE;

/** A sentence with its names in italics. */
export const told = (sentence) =>
  sentence.split(/[\uE000\uE001]/).map((part, i) => (i % 2 ? h("em", {}, part.replaceAll(" ", "\u00a0")) : part));

/** A table: `head` is a list of texts or {text, number}, `rows` lists of texts or nodes; the first cell names the row. */
export function table(head, rows, { caption, className } = {}) {
  const numeric = head.map((cell) => typeof cell === "object" && cell.number);
  const cells = (row) =>
    row.map((cell, i) =>
      i === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: numeric[i] ? "number" : undefined }, cell),
    );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { class: className },
      caption && h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, head.map((cell, i) =>
        h("th", { scope: "col", class: numeric[i] ? "number" : undefined }, cell.text ?? cell)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, cells(row)))),
    ),
  );
}

/** A row of buttons of which one is pressed. */
export function choice(label, options, chosen, choose) {
  const buttons = options.map(([value, text, lang]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), lang, onclick: () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button(value)));
      choose(value);
    } }, text),
  );
  const button = (value) => buttons[options.findIndex((option) => option[0] === value)];
  return h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** A box that is drawn again whenever its width changes; `draw(width)` returns nodes. */
export function responsive(draw, attributes) {
  const box = h("div", { class: "chart", ...attributes });
  let last = 0;
  const again = () => {
    const width = Math.floor(box.clientWidth);
    if (!width || width === last) return;
    last = width;
    box.replaceChildren(...[draw(width)].flat());
  };
  new ResizeObserver(() => requestAnimationFrame(again)).observe(box);
  box.redraw = () => { last = 0; again(); };
  return box;
}
