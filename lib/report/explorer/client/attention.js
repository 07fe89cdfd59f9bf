/* Attention in a scene: between the same patch of all views, within a view, from words to patches; one or two runs. */

/** What is looked at: a scene of the page, and what of it; a link carries it. */
function attentionState(data) {
  const asked = linked.read();
  const shown = data.scenes.find((s) => s.scene.id === asked.scene) ?? data.scenes[0];
  const middle = String(Math.floor(shown.grid / 2) * (shown.grid + 1));
  const fresh = { kind: "inter", view: "0", patch: middle, head: "mean", layer: "0", word: "0" };
  const state = { ...fresh, ...asked, scene: shown.scene.id };
  // a link of another page may name what this one lacks
  if (!(Number(state.view) < shown.scene.views.length)) state.view = fresh.view;
  if (!(Number(state.patch) < shown.grid ** 2)) state.patch = fresh.patch;
  return { shown, state };
}

async function attentionPage(data, root) {
  const { shown, state } = attentionState(data);
  const scene = await openScene(shown.scene);
  const { grid, sentence } = shown;
  for (const maps of shown.maps)
    for (const map of Object.values(maps)) if (typeof map.weights === "string") map.weights = bytesOf(map.weights);
  const runs = data.runs.map((name, i) => ({ name, maps: shown.maps[i] }));
  const V = scene.views.length;
  const kinds = {
    inter: "the same patch of all views",
    intra: "all patches of its own view",
    words: "from a word to the patches",
  };
  const has = Object.fromEntries(Object.entries(kinds).filter(([k]) => runs.some((r) => r.maps[k])));
  if (!(state.kind in has)) state.kind = Object.keys(has)[0];

  /** One weight, 0 to 1; indices as in the arrays of the page: the last one runs fastest. */
  const at = (map, index) => {
    let flat = 0;
    for (const [k, i] of index.entries()) flat = flat * map.shape[k] + i;
    return (map.weights[flat] / 255) * map.scale;
  };
  /** Mean over heads, or one. */
  const overHeads = (map, indexOf) => {
    const heads = map.heads;
    if (state.head !== "mean" && Number(state.head) < heads) return at(map, indexOf(Number(state.head)));
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += at(map, indexOf(h));
    return sum / heads;
  };

  /** Weights of one run as [view][patch of `side`²]; NaN where the map says nothing. */
  function weightsOf(run) {
    const map = run.maps[state.kind];
    if (!map) return undefined;
    const [view, patch] = [Number(state.view), Number(state.patch)];
    if (state.kind === "inter") {
      // [patch, head, asking view, view looked at]
      return { side: grid, of: (v, p) => (p === patch ? overHeads(map, (h) => [patch, h, view, v]) : Number.NaN) };
    }
    if (state.kind === "intra") {
      // [view, head, asking patch, patch looked at]
      return { side: grid, of: (v, p) => (v === view ? overHeads(map, (h) => [view, h, patch, p]) : Number.NaN) };
    }
    // [layer, head, word, view, token]
    const side = map.side;
    return { side, of: (v, p) => overHeads(map, (h) => [Number(state.layer), h, Number(state.word), v, p]) };
  }

  /** Where the asked patch's centre truly lies in another view (from depth): its patch, or undefined. */
  function counterpart(v) {
    const view = scene.views[Number(state.view)];
    const cell = view.size / grid;
    const u = ((Number(state.patch) % grid) + 0.5) * cell - 0.5;
    const w = (Math.floor(Number(state.patch) / grid) + 0.5) * cell - 0.5;
    const depth = depthAt(view, u, w);
    if (depth === 0) return undefined;
    const point = unproject(view, u, w, depth);
    const there = project(scene.views[v], point);
    return sees(scene.views[v], there)
      ? { ...there, column: (there.u + 0.5) / cell, row: (there.v + 0.5) / cell }
      : undefined;
  }

  /** The weight of one run under the pointer, in words; the pointer's place in a view goes from 0 to 1. */
  function valueAt(run, index, place) {
    const weights = weightsOf(run);
    if (!weights) return "";
    const [column, row] = place.map((x) => Math.max(0, Math.min(weights.side - 1, Math.floor(x * weights.side))));
    const w = weights.of(index, row * weights.side + column);
    if (Number.isNaN(w)) return "";
    return `frame ${scene.views[index].frame}, row ${row}, column ${column}: ${percent(w, 2)}`;
  }

  const strips = runs.map((run) => {
    const readout = el("p.count", { role: "status" });
    const views = new Views({
      overlay: (context, view, index, scale) => paint(run, context, view, index, scale),
      onClick: (index, u, v) => {
        const cell = scene.views[index].size / grid;
        const [column, row] = [u, v].map((x) => Math.max(0, Math.min(grid - 1, Math.floor((x + 0.5) / cell))));
        update({ view: String(index), patch: String(row * grid + column) });
      },
    });
    views.node.addEventListener("pointermove", (event) => {
      const index = views.panes.findIndex((p) => p.canvas === event.target);
      if (index < 0) return;
      const box = event.target.getBoundingClientRect();
      const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      for (const strip of strips) strip.readout.textContent = valueAt(strip.run, index, place);
    });
    // arrow keys: the next patch; enter: the same patch of the view that has the focus asks
    views.node.addEventListener("keydown", (event) => {
      const index = views.panes.findIndex((p) => p.canvas === event.target);
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0] };
      const step = steps[event.key];
      if (index < 0 || step === undefined) return;
      event.preventDefault();
      const patch = Number(state.patch);
      const [row, column] = [Math.floor(patch / grid) + step[0], (patch % grid) + step[1]];
      if (row < 0 || column < 0 || row >= grid || column >= grid) return;
      update({ patch: String(row * grid + column), ...(event.key === "Enter" ? { view: String(index) } : {}) });
    });
    const none = el("p.note", { hidden: true }, "This run has no such attention.");
    return { run, views, readout, strip: el("section", {}, el("h2", {}, run.name), none, views.node, readout) };
  });

  function paint(run, context, view, index, scale) {
    const weights = weightsOf(run);
    if (!weights) return;
    const { side } = weights;
    const cell = (view.size / side) * scale;
    let most = 0;
    for (let v = 0; v < V; v++) {
      for (let p = 0; p < side * side; p++) {
        const w = weights.of(v, p);
        if (w > most) most = w;
      }
    }
    context.save();
    for (let p = 0; p < side * side; p++) {
      const w = weights.of(index, p);
      if (Number.isNaN(w)) continue;
      const [x, y] = [(p % side) * cell, Math.floor(p / side) * cell];
      context.fillStyle = `rgba(230,159,0,${(0.85 * w) / (most || 1)})`;
      context.fillRect(x, y, cell, cell);
      if (state.kind === "inter") {
        context.font = "600 18px system-ui, sans-serif";
        context.fillStyle = "#000";
        context.fillRect(4, context.canvas.height - 26, 76, 22);
        context.fillStyle = "#fff";
        context.fillText(percent(w), 8, context.canvas.height - 9);
      }
    }
    if (state.kind !== "words") {
      const patch = Number(state.patch);
      const size = (view.size / grid) * scale;
      if (state.kind === "inter" || index === Number(state.view)) {
        context.strokeStyle = index === Number(state.view) ? "#D55E00" : "#0072B2";
        context.lineWidth = 4;
        context.strokeRect((patch % grid) * size, Math.floor(patch / grid) * size, size, size);
      }
      const true_ = index === Number(state.view) ? undefined : counterpart(index);
      if (true_ && state.kind === "inter") {
        context.strokeStyle = "#009E73";
        context.lineWidth = 4;
        context.beginPath();
        context.arc((true_.u + 0.5) * scale, (true_.v + 0.5) * scale, 10, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    context.restore();
  }

  const table = el("table.scores");
  /** Each view's weight beside the distance to the true counterpart. */
  function drawTable() {
    if (state.kind !== "inter") {
      table.replaceChildren();
      return;
    }
    const patch = Number(state.patch);
    const rows = scene.views.map((view, v) => {
      const there = v === Number(state.view) ? undefined : counterpart(v);
      const away = there && Math.hypot(there.column - 0.5 - (patch % grid), there.row - 0.5 - Math.floor(patch / grid));
      return el(
        "tr",
        {},
        el("td", {}, `${view.frame}${v === Number(state.view) ? " (asks)" : ""}`),
        runs.map((run) => el("td.number", {}, run.maps.inter ? percent(weightsOf(run).of(v, patch)) : "none")),
        el(
          "td.number",
          {},
          v === Number(state.view) ? "" : away === undefined ? "not seen" : `${away.toFixed(1)} patches away`,
        ),
      );
    });
    table.replaceChildren(
      el("caption", {}, `attention to the same patch of each view; even would be ${percent(1 / V)}`),
      el(
        "tr",
        {},
        el("th", {}, "view"),
        runs.map((r) => el("th", {}, r.name)),
        el("th", {}, "true counterpart"),
      ),
      ...rows,
    );
  }

  /** The weights that are shown, of all views and runs. */
  function exportWeights() {
    const shown = runs.flatMap((run) => {
      const weights = weightsOf(run);
      if (!weights) return [];
      const { side } = weights;
      return scene.views.flatMap((view, v) =>
        Array.from({ length: side * side }, (_, p) => [view.frame, Math.floor(p / side), p % side, weights.of(v, p)])
          .filter(([, , , weight]) => !Number.isNaN(weight))
          .map((weight) => [run.name, ...weight]),
      );
    });
    saveCsv("attention.csv", [["run", "frame", "row", "column", "weight"], ...shown]);
  }

  const controls = el("form.filters", { onsubmit: (event) => event.preventDefault() });
  const sceneNames = Object.fromEntries(data.scenes.map((s) => [s.scene.id, `${s.scene.id}: ${s.sentence}`]));
  function drawControls() {
    const some = runs.find((r) => r.maps[state.kind])?.maps[state.kind];
    const numbers = (n, name) => Object.fromEntries(Array.from({ length: n }, (_, i) => [i, `${name} ${i + 1}`]));
    controls.replaceChildren(
      ...[
        data.scenes.length > 1 && choice("scene", sceneNames, state.scene, go),
        choice("attention", has, state.kind, (v) => update({ kind: v })),
        some &&
          choice("head", { mean: "mean of all", ...numbers(some.heads, "head") }, state.head, (v) =>
            update({ head: v }),
          ),
        state.kind === "words" &&
          some &&
          choice("layer", numbers(some.shape[0], "layer"), state.layer, (v) => update({ layer: v })),
        state.kind === "words" &&
          some &&
          el(
            "span.words",
            { role: "group", "aria-label": "word that looks" },
            some.words.map((word, i) =>
              el(
                "button",
                {
                  type: "button",
                  "aria-pressed": String(String(i) === state.word),
                  onclick: () => update({ word: String(i) }),
                },
                el("bdi", {}, word),
              ),
            ),
          ),
        el("button", { type: "button", onclick: () => exportWeights() }, "CSV"),
        runs.map((run, i) =>
          el(
            "button",
            { type: "button", onclick: () => strips[i].views.savePicture(`attention-${run.name}-${state.scene}`) },
            runs.length === 1 ? "PNG" : `PNG: ${run.name}`,
          ),
        ),
      ]
        .flat()
        .filter(Boolean),
    );
  }

  /** Opens another scene; what is looked at stays, but for the word: sentences differ. */
  function go(id) {
    linked.write({ ...state, scene: id, word: "0" });
    root.replaceChildren();
    return attentionPage(data, root);
  }

  function update(change) {
    Object.assign(state, change);
    drawControls();
    for (const { strip, run } of strips) strip.querySelector(".note").hidden = run.maps[state.kind] !== undefined;
    for (const { views } of strips) views.show(scene, []);
    drawTable();
    linked.write(state);
  }

  root.classList.add("single");
  root.append(
    el(
      "section.detail",
      {},
      el("h2", {}, el("bdi", {}, `“${sentence}”`)),
      controls,
      el(
        "p.legend",
        {},
        "Click a patch, or go on with the arrow keys in a view (enter: this view asks). Red: the patch that asks; " +
          "blue: the same patch elsewhere; green ring: the same point of the room, from depth; orange: attention.",
      ),
      strips.map(({ strip }) => strip),
      table,
      el("p.note", {}, linked.anchor),
    ),
  );
  update({});
}
