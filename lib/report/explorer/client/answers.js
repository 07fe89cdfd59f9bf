/* Answers of one or two runs: a list that can be filtered, and one answer in its views, in 3D and in scores. */

const outcomeName = {
  right: "right",
  spatial: "right class, wrong object",
  semantic: "wrong class",
  detection: "no box fits",
  unknown: "not known",
};

const boxesName = { gt: "true boxes", detector: "detected boxes" };

async function answersPage(data, root) {
  const two = data.runs.length === 2;
  const none = { outcome: "", boxes: "", relation: "", clause: "", category: "", margin: "", text: "", table: "" };
  const state = { run: "0", ...none, case: "", ...linked.read() };
  const views = new Views({ onPoint: (point) => mark(point), onPick: (point) => pick(point) });
  const room = new Room({ onPoint: (point) => mark(point), onPick: (point) => pick(point) });
  const list = el("ol.cases", { tabindex: 0, "aria-label": "answers" });
  const detail = el("section.detail", { "aria-live": "polite" });
  const count = el("p.count", { role: "status" });
  const mark = (point) => {
    views.mark(point);
    room.mark(point);
  };
  let shown = [];
  let chosenBox;
  let opened = false;
  let current;

  // a sentence may stand twice: with true and with detected boxes
  const keyOf = (c) => `${c.id}|${c.boxes}`;
  const answerOf = (c) => c.answers[Number(state.run)] ?? c.answers[0];
  const clausesOf = (c) => (answerOf(c).violates ?? []).map(({ clause }) => clause);
  const cellOf = (c) => c.answers.map((a) => (a.outcome === "right" ? "right" : "wrong")).join("/");
  const named = (list) => Object.fromEntries([...new Set(list)].sort().map((v) => [v, v]));
  const values = (key) => named(data.cases.map((c) => c[key]));
  const clauses = named(data.cases.flatMap((c) => c.answers.flatMap((a) => (a.violates ?? []).map((v) => v.clause))));
  const kindsOfBoxes = [...new Set(data.cases.map((c) => c.boxes))];
  // answers that were kept before scores and words were have neither
  const have = (run, holds) => data.cases.some((c) => holds(c.answers[run]));
  const withScores = (a) => a.scores.length > 0;
  const withWords = (a) => a.written !== undefined;
  const notKept = data.runs.flatMap((name, i) => {
    const missing = [!have(i, withScores) && "scores (no margins, no best boxes)", !have(i, withWords) && "words"];
    const listed = missing.filter(Boolean).join(" and ");
    return listed === "" ? [] : [`The answers of ${name} were kept without their ${listed}: run its study again.`];
  });
  const margins = data.cases.some((c) => c.answers.some((a) => a.margin !== undefined));

  const filters = el(
    "form.filters",
    { onsubmit: (event) => event.preventDefault() },
    two && choice("run", Object.fromEntries(data.runs.map((r, i) => [i, r])), state.run, (v) => update({ run: v })),
    choice("outcome", { "": "all", wrong: "wrong", ...outcomeName }, state.outcome, (v) => update({ outcome: v })),
    kindsOfBoxes.length > 1 && choice("boxes", { "": "all", ...boxesName }, state.boxes, (v) => update({ boxes: v })),
    choice("relation", { "": "all", ...values("relation") }, state.relation, (v) => update({ relation: v })),
    Object.keys(clauses).length > 0 &&
      choice("violates", { "": "all", ...clauses }, state.clause, (v) => update({ clause: v })),
    choice("class", { "": "all", ...values("category") }, state.category, (v) => update({ category: v })),
    margins && field("margin up to", "number", state.margin, (v) => update({ margin: v }), { min: 0, step: "any" }),
    field("words", "search", state.text, (v) => update({ text: v })),
    el("button", { type: "button", onclick: () => exportList() }, "CSV"),
    el("button", { type: "button", onclick: () => views.savePicture(state.case) }, "PNG"),
    linked.anchor,
  );

  /** Right and wrong of two runs, case by case: a click on a cell shows its cases. */
  const both = el("table.both");
  function drawBoth() {
    if (!two) return;
    const cells = Object.groupBy
      ? Object.groupBy(data.cases, cellOf)
      : data.cases.reduce((o, c) => ((o[cellOf(c)] ??= []).push(c), o), {});
    const button = (cell) =>
      el(
        "td",
        {},
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(state.table === cell),
            onclick: () => update({ table: state.table === cell ? "" : cell }),
          },
          String(cells[cell]?.length ?? 0),
        ),
      );
    both.replaceChildren(
      el("tr", {}, el("th", {}, ""), el("th", {}, `${data.runs[1]}: right`), el("th", {}, "wrong")),
      el("tr", {}, el("th", {}, `${data.runs[0]}: right`), button("right/right"), button("right/wrong")),
      el("tr", {}, el("th", {}, "wrong"), button("wrong/right"), button("wrong/wrong")),
    );
  }

  function update(change) {
    Object.assign(state, change);
    const words = state.text.toLowerCase();
    shown = data.cases.filter((c) => {
      const { outcome, margin } = answerOf(c);
      return (
        (state.outcome === "" || (state.outcome === "wrong" ? outcome !== "right" : outcome === state.outcome)) &&
        (state.boxes === "" || c.boxes === state.boxes) &&
        (state.relation === "" || c.relation === state.relation) &&
        (state.clause === "" || clausesOf(c).includes(state.clause)) &&
        (state.margin === "" || margin <= Number(state.margin)) &&
        (state.category === "" || c.category === state.category) &&
        (state.table === "" || cellOf(c) === state.table) &&
        (words === "" || `${c.sentence} ${c.id}`.toLowerCase().includes(words))
      );
    });
    count.textContent = `${shown.length} of ${data.cases.length} answers`;
    const most = 400;
    list.replaceChildren(
      ...shown
        .slice(0, most)
        .map((c) =>
          el(
            "li",
            {},
            el(
              "button.case",
              { type: "button", "data-case": keyOf(c), onclick: () => open(c) },
              el(
                `span.mark.${answerOf(c).outcome}`,
                { title: outcomeName[answerOf(c).outcome] },
                { right: "✓", unknown: "?" }[answerOf(c).outcome] ?? "✗",
              ),
              el("bdi", {}, c.sentence),
            ),
          ),
        ),
      ...(shown.length > most ? [el("li.note", {}, `${shown.length - most} more: narrow the filters`)] : []),
    );
    drawBoth();
    if (!opened || "run" in change || shown.length === 0 || !shown.some((c) => keyOf(c) === state.case))
      open(shown.find((c) => keyOf(c) === state.case) ?? shown[0]);
    linked.write(state);
  }

  function boxesOf(c, scene) {
    const answer = answerOf(c);
    const object = (id) => scene.objects.find((o) => o.id === id);
    const landmarks = c.landmarks.flatMap((id) => object(id) ?? []);
    const target = object(c.target);
    const role = (i) => (i === answer.chosen ? "picked" : i === chosenBox ? "chosen" : "other");
    const boxes = scene.boxes[c.boxes].map(({ box, label }, i) => ({
      box,
      role: role(i),
      label: i === answer.chosen ? `picked${label ? `: ${label}` : ""}` : `box ${i}`,
    }));
    return [
      ...boxes.sort((a, b) => Number(a.role !== "other") - Number(b.role !== "other")),
      ...landmarks.map((o) => ({ box: o.box, role: "landmark", label: o.label })),
      ...(target === undefined ? [] : [{ box: target.box, role: "target", label: `right: ${target.label}` }]),
    ];
  }

  async function open(c) {
    opened = true;
    if (c === undefined) {
      detail.replaceChildren(el("p.note", {}, "No answer fits these filters."));
      return;
    }
    const key = keyOf(c);
    if (state.case !== key) chosenBox = undefined;
    state.case = key;
    current = c;
    linked.write(state);
    for (const button of list.querySelectorAll("button.case"))
      button.setAttribute("aria-current", String(button.dataset.case === key));
    const answer = answerOf(c);
    const scene = data.scenes[c.scene];
    const row = ([i, score]) =>
      el(
        "tr",
        { class: i === answer.chosen ? "picked" : "" },
        el(
          "td",
          {},
          el(
            "button",
            {
              type: "button",
              "data-box": i,
              onclick: () => ((chosenBox = chosenBox === i ? undefined : i), open(c)),
              "aria-pressed": String(chosenBox === i),
            },
            i < 0 ? "no object" : `box ${i}`,
          ),
        ),
        el("td", {}, (i >= 0 && scene?.boxes[c.boxes]?.[i]?.label) || ""),
        el("td.number", {}, score.toFixed(3)),
      );
    const facts = [
      ["outcome", outcomeName[answer.outcome]],
      ["IoU with the right box", answer.iou === undefined ? undefined : answer.iou.toFixed(2)],
      ["picked", answer.pickedLabel],
      ["written before the pick", answer.written ?? "not kept"],
      ["relation", c.relation],
      ["margin to the next box", answer.margin === undefined ? undefined : answer.margin.toFixed(3)],
      ...(answer.violates ?? []).map(({ clause, text }) => [`violates: ${clause}`, text]),
      ["boxes", boxesName[c.boxes]],
      ["scene", c.scene],
      ["sentence id", c.id],
    ].filter(([, v]) => v !== undefined && v !== "");
    detail.replaceChildren(
      el("h2", {}, el("bdi", {}, `“${c.sentence}”`)),
      el(
        "div.facts",
        {},
        el(
          "dl",
          {},
          facts.map(([k, v]) => [el("dt", {}, k), el("dd", {}, el("bdi", {}, String(v)))]),
        ),
        answer.scores.length === 0
          ? el("p.note", {}, "The scores of this answer's boxes were not kept.")
          : el(
              "table.scores",
              {},
              el("caption", {}, "best boxes"),
              el("tr", {}, el("th", {}, "box"), el("th", {}, "class"), el("th", {}, "score")),
              answer.scores.map(row),
            ),
      ),
      el(
        "p.legend",
        {},
        Object.entries(roleStyle).map(([, s]) => el("span", {}, el("i", { style: `background:${s.colour}` }), s.name)),
        " · dotted: hidden in this view",
      ),
    );
    if (scene === undefined) {
      detail.append(
        el(
          "p.note",
          {},
          `The pictures of ${c.scene} are not in this page; ${data.missing ?? "make a page of fewer scenes"}.`,
        ),
      );
      return;
    }
    await openScene(scene);
    // another case may have been opened while pictures were decoded
    if (state.case !== key) return;
    const boxes = boxesOf(c, scene);
    detail.append(views.node, room.node);
    views.show(scene, boxes);
    room.show(scene, boxes);
  }

  /** Chooses the smallest box around a point of a view or of the room. */
  function pick(point) {
    const boxes = current && data.scenes[current.scene]?.boxes[current.boxes];
    if (!boxes || !point) return;
    const around = boxes.flatMap(({ box }, i) => (encloses(box, point) ? [i] : []));
    const volume = (i) => boxes[i].box[3] * boxes[i].box[4] * boxes[i].box[5];
    chosenBox = around.sort((a, b) => volume(a) - volume(b))[0];
    open(current);
  }

  function exportList() {
    // of each run; what was not kept has no column
    const columns = [
      ["outcome", (a) => a.outcome],
      ["box", (a) => a.chosen],
      ["IoU", (a) => a.iou],
      ["picked", (a) => a.pickedLabel],
      ["margin", (a) => a.margin, withScores],
      ["violates", (a) => (a.violates ?? []).map(({ clause, text }) => `${clause}: ${text}`).join("; ")],
      ["written", (a) => a.written, withWords],
      ["best boxes", (a) => a.scores.map(([box, score]) => `${box}: ${score}`).join("; "), withScores],
    ];
    const columnsOf = data.runs.map((_, i) => columns.filter(([, , holds]) => holds === undefined || have(i, holds)));
    saveCsv("answers.csv", [
      [
        "id",
        "boxes",
        "scene",
        "sentence",
        "relation",
        "class",
        ...data.runs.flatMap((r, i) => columnsOf[i].map(([head]) => `${r}: ${head}`)),
      ],
      ...shown.map((c) => [
        ...[c.id, c.boxes, c.scene, c.sentence, c.relation, c.category],
        ...c.answers.flatMap((a, i) => columnsOf[i].map(([, value]) => value(a))),
      ]),
    ]);
  }

  document.addEventListener("keydown", (event) => {
    if (/^(INPUT|SELECT|TEXTAREA|CANVAS)$/.test(document.activeElement?.tagName ?? "")) return;
    const step = { j: 1, n: 1, k: -1, p: -1 }[event.key];
    if (step === undefined) return;
    const at = shown.findIndex((c) => keyOf(c) === state.case);
    open(shown[Math.max(0, Math.min(shown.length - 1, at + step))]);
  });
  const single = data.cases.length === 1;
  root.append(
    ...(single
      ? []
      : [
          el(
            "aside.side",
            {},
            filters,
            two && both,
            count,
            notKept.map((text) => el("p.note", {}, el("bdi", {}, text))),
            list,
            el("p.note", {}, "j and k go to the next and the previous answer."),
          ),
        ]),
    detail,
  );
  root.classList.toggle("single", single);
  update({});
}
