/* Shows what the server tells: arms as a table of variants and seeds, warnings, curves. Text never becomes markup. */

const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
// plotly.js always shows its buttons there, over the legend
const touched = matchMedia("(hover: none)").matches;

/** An element with a class, text or children in it. */
function el(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children);
  return node;
}

function clock(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.round(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

function cell(arm) {
  if (arm === undefined) return el("td");
  if (arm.state === "finished" && arm.accuracy === undefined) return el("td", "finished");
  if (arm.state === "finished") return el("td", `${arm.accuracy.toFixed(1)} %`, el("small", "finished, Acc@0.25"));
  if (arm.state === "waiting") return el("td", el("small", "waiting"));
  const bar = el("span", el("i"));
  bar.className = "bar";
  bar.firstChild.style.width = `${(100 * arm.done) / (arm.total || 1)}%`;
  const left = arm.left > 0 ? `, ${clock(arm.left)} left` : "";
  const stopped = arm.state === "stopped" ? "stopped: " : "";
  return el("td", `${stopped}${arm.doing} ${arm.done}/${arm.total}`, bar, el("small", `${arm.note ?? ""}${left}`));
}

function drawArms(arms) {
  const seeds = [...new Set(arms.map((a) => a.seed))];
  const variants = [...new Set(arms.map((a) => a.variant))];
  $("arms").replaceChildren(
    el("tr", el("th", "variant"), ...seeds.map((seed) => el("th", `seed ${seed}`))),
    ...variants.map((variant) =>
      el(
        "tr",
        el("th", el("bdi", variant)),
        ...seeds.map((seed) => cell(arms.find((a) => a.variant === variant && a.seed === seed))),
      ),
    ),
  );
}

function drawCurves({ data, layout }) {
  const [ink, paper, line] = dark.matches ? ["#e6e9ed", "#14181d", "#343c46"] : ["#222222", "#ffffff", "#e4e4e4"];
  const { title: _title, ...rest } = layout;
  const axes = Object.fromEntries(
    Object.entries(rest)
      .filter(([key]) => /^[xy]axis/.test(key))
      .map(([key, axis]) => [key, { ...axis, gridcolor: line }]),
  );
  const margin = { ...rest.margin, t: 50 };
  const look = {
    font: { ...rest.font, color: ink },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    dragmode: false,
    margin,
  };
  return Plotly.react(
    $("curves"),
    data,
    { ...rest, ...axes, ...look, uirevision: 1 },
    { responsive: true, displaylogo: false, displayModeBar: touched ? false : "hover" },
  );
}

async function show(state) {
  $("title").textContent = state.title;
  const finished = state.arms.filter((a) => a.state === "finished").length;
  const now = state.over ? (finished === state.arms.length ? "finished" : "stopped") : "running";
  document.title = `${now}: ${state.title}`;
  $("status").textContent = [
    `${finished} of ${state.arms.length} finished`,
    state.over ? "the command has ended" : state.left > 0 && `about ${clock(state.left)} of training left`,
    !state.over && state.other,
  ]
    .filter(Boolean)
    .join(" · ");
  drawArms(state.arms);
  $("signatures").hidden = state.signatures.length === 0;
  $("signatures")
    .querySelector("ul")
    .replaceChildren(...state.signatures.map((text) => el("li", text)));
  await drawCurves(state.figure);
  document.documentElement.dataset.drawn = "yes";
}

const source = new EventSource("/events");
source.onmessage = ({ data }) => {
  const state = JSON.parse(data);
  if (state.over) source.close();
  void show(state);
};
source.onerror = () => {
  if (source.readyState !== EventSource.CLOSED)
    $("status").textContent = "the command does not answer: it was killed, or is busy; trying again";
};
