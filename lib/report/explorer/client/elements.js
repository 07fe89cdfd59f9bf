/* Small pieces of page: elements, text and the state that a link can carry. Text never becomes markup. */

/** An element: el("p.note", {title: "…"}, "text", child, …). */
function el(spec, attributes = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length > 0) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A drop-down of {value: label}. */
function choice(label, options, value, onChange) {
  const select = el(
    "select",
    { onchange: () => onChange(select.value) },
    Object.entries(options).map(([key, text]) => el("option", { value: key, selected: key === value }, text)),
  );
  return el("label.choice", {}, el("span", {}, label), select);
}

/** A field to type into; told on every change. */
function field(label, type, value, onChange, more = {}) {
  const input = el("input", { type, value, oninput: () => onChange(input.value), ...more });
  return el("label.choice", {}, el("span", {}, label), input);
}

/** State in the address behind "#", so that a link opens the same view. */
const linked = {
  anchor: el("a", {}, "link to this view"),
  read() {
    try {
      return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    } catch {
      return {};
    }
  },
  write(state) {
    const text = new URLSearchParams(Object.entries(state).filter(([, v]) => v !== undefined && v !== "")).toString();
    linked.anchor.href = `#${text}`;
    // frames without an address of their own (srcdoc) may not change it
    try {
      history.replaceState(null, "", `#${text}`);
    } catch {
      location.hash = text;
    }
  },
};

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Quoted where it has to be; a leading =, +, - or @ of a text would be a formula in a spreadsheet. */
function csvCell(value) {
  const text = typeof value === "string" ? value.replace(/^[=+\-@\t\r]/, "'$&") : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveCsv(name, rows) {
  save(name, new Blob([rows.map((row) => row.map(csvCell).join(",")).join("\n"), "\n"], { type: "text/csv" }));
}
