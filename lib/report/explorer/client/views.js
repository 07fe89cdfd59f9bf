/* The frames of a scene, each a canvas with boxes and marks drawn in. */

const roleStyle = {
  target: { colour: "#009E73", name: "right answer", width: 2.5 },
  picked: { colour: "#D55E00", name: "picked", width: 2.5 },
  landmark: { colour: "#0072B2", name: "landmark", width: 2 },
  chosen: { colour: "#E69F00", name: "chosen in the list", width: 2.5 },
  other: { colour: "#9aa4ae", name: "other box", width: 1 },
};

/** Draws one edge: solid where the view sees it, dotted where something stands in front. */
function drawEdge(context, view, scale, from, to, style) {
  const steps = 16;
  const at = (t) =>
    project(
      view,
      [0, 1, 2].map((k) => from[k] + (to[k] - from[k]) * t),
    );
  for (let i = 0; i < steps; i++) {
    const [a, b] = [at(i / steps), at((i + 1) / steps)];
    if (a.depth < 0.05 || b.depth < 0.05) continue;
    const hidden = !sees(view, a) && !sees(view, b);
    if (hidden && i % 2 === 1) continue;
    context.globalAlpha = hidden ? 0.55 : 1;
    context.lineWidth = hidden ? 1 : style.width;
    context.strokeStyle = style.colour;
    context.beginPath();
    context.moveTo((a.u + 0.5) * scale, (a.v + 0.5) * scale);
    context.lineTo((b.u + 0.5) * scale, (b.v + 0.5) * scale);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/**
 * A strip of views.
 *
 * @param onPoint called with the world point under the pointer, or undefined
 * @param onPick called with the world point that is clicked, where its depth is known
 * @param onClick called with (view, u, v) in the view's pixels
 * @param overlay called with (context, view, index, scale) before boxes are drawn
 */
class Views {
  constructor({ onPoint, onPick, onClick, overlay } = {}) {
    this.node = el("div.views", { role: "list" });
    this.handlers = { onPoint, onPick, onClick, overlay };
    this.boxes = [];
    this.scene = undefined;
  }

  show(scene, boxes) {
    if (this.scene !== scene) {
      this.scene = scene;
      this.panes = scene.views.map((view, index) => this.pane(view, index));
      this.node.replaceChildren(...this.panes.map((p) => p.figure));
    }
    this.boxes = boxes;
    this.draw();
  }

  pane(view, index) {
    const canvas = el("canvas", {
      width: 2 * Math.max(view.size, 160),
      height: 2 * Math.max(view.size, 160),
      tabindex: 0,
    });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `view ${index + 1}, frame ${view.frame}`);
    const caption = el("figcaption", {}, `frame ${view.frame}`);
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * view.size - 0.5,
        ((event.clientY - box.top) / box.height) * view.size - 0.5,
      ];
    };
    const point = (event) => {
      const [u, v] = place(event);
      const depth = depthAt(view, u, v);
      return depth > 0 ? unproject(view, u, v, depth) : undefined;
    };
    canvas.addEventListener("pointermove", (event) => this.handlers.onPoint?.(point(event)));
    canvas.addEventListener("pointerleave", () => this.handlers.onPoint?.(undefined));
    canvas.addEventListener("click", (event) => {
      this.handlers.onClick?.(index, ...place(event));
      this.handlers.onPick?.(point(event));
    });
    return { view, canvas, caption, figure: el("figure.view", { role: "listitem" }, canvas, caption) };
  }

  /** Marks a world point in every view that sees it. */
  mark(point) {
    this.point = point;
    this.draw();
  }

  draw() {
    for (const [index, { view, canvas }] of (this.panes ?? []).entries()) {
      const context = canvas.getContext("2d");
      const scale = canvas.width / view.size;
      context.imageSmoothingEnabled = true;
      context.drawImage(view.picture, 0, 0, canvas.width, canvas.height);
      this.handlers.overlay?.(context, view, index, scale);
      for (const { box, role, label } of this.boxes) {
        const style = roleStyle[role];
        for (const [from, to] of edgesOf(box))
          drawEdge(context, view, scale, from, to, { ...style, width: style.width * 1.5 });
        const top = project(view, [box[0], box[1], box[2] + box[5] / 2]);
        if (
          label &&
          role !== "other" &&
          top.depth > 0.05 &&
          top.u > 0 &&
          top.v > 0 &&
          top.u < view.size &&
          top.v < view.size
        ) {
          this.label(context, label, (top.u + 0.5) * scale, (top.v + 0.5) * scale, style.colour);
        }
      }
      if (this.point) {
        const at = project(view, this.point);
        if (sees(view, at)) {
          context.strokeStyle = "#fff";
          context.lineWidth = 5;
          this.ring(context, at, scale);
          context.strokeStyle = "#111";
          context.lineWidth = 2;
          this.ring(context, at, scale);
        }
      }
    }
  }

  /** Saves all views as one picture. @param name of the file, whose special characters are replaced */
  savePicture(name) {
    const canvases = (this.panes ?? []).map((pane) => pane.canvas);
    if (canvases.length === 0) return;
    const side = canvases[0].width;
    const columns = Math.min(4, canvases.length);
    const sheet = el("canvas", { width: columns * side, height: Math.ceil(canvases.length / columns) * side });
    for (const [i, canvas] of canvases.entries())
      sheet.getContext("2d").drawImage(canvas, (i % columns) * side, Math.floor(i / columns) * side);
    sheet.toBlob((blob) => save(`${name.replaceAll(/[^\w-]+/g, "_")}.png`, blob));
  }

  ring(context, { u, v }, scale) {
    context.beginPath();
    context.arc((u + 0.5) * scale, (v + 0.5) * scale, 8, 0, 2 * Math.PI);
    context.stroke();
  }

  label(context, text, x, y, colour) {
    context.font = "600 16px system-ui, sans-serif";
    const width = context.measureText(text).width + 8;
    const left = Math.max(0, Math.min(x - width / 2, context.canvas.width - width));
    const top = Math.max(0, Math.min(y - 24, context.canvas.height - 20));
    context.fillStyle = colour;
    context.fillRect(left, top, width, 20);
    context.fillStyle = "#fff";
    context.fillText(text, left + 4, top + 15);
  }
}
