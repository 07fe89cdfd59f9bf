/* The scene in 3D: the measured points of all views, drawn into a depth buffer; boxes on top. Drag, wheel, keys. */

class Room {
  /** Both are called with a measured point: `onPoint` with the one under the pointer, `onPick` with the clicked one. */
  constructor({ onPoint, onPick } = {}) {
    this.canvas = el("canvas", { width: 760, height: 520, tabindex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute(
      "aria-label",
      "the scene in 3D: drag or two fingers to turn, wheel to come nearer, arrow keys too",
    );
    this.handlers = { onPoint, onPick };
    this.angles = { yaw: -0.9, pitch: 0.75 };
    this.zoom = 1;
    this.boxes = [];
    this.cut = el("input", { type: "range", min: 0, max: 100, value: 70, "aria-label": "hide what is higher than" });
    this.cut.addEventListener("input", () => this.draw());
    this.node = el("div.room", {}, this.canvas, el("label.choice", {}, el("span", {}, "height shown"), this.cut));
    this.listen();
  }

  listen() {
    const { canvas } = this;
    let last;
    let dragged = false;
    canvas.addEventListener("pointerdown", (event) => {
      dragged = false;
      // fingers come as touches below
      if (event.pointerType === "touch") return;
      last = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (last === undefined) {
        this.handlers.onPoint?.(this.pointUnder(event));
        return;
      }
      const [x, y] = [event.clientX - last[0], event.clientY - last[1]];
      if (x === 0 && y === 0) return;
      dragged = true;
      this.turn(x * 0.008, y * 0.006);
      last = [event.clientX, event.clientY];
    });
    canvas.addEventListener("pointerleave", () => this.handlers.onPoint?.(undefined));
    canvas.addEventListener("click", (event) => !dragged && this.handlers.onPick?.(this.pointUnder(event)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = undefined));
    let fingers;
    onTwoFingers(canvas, (phase, { point, distance }) => {
      dragged = true;
      if (phase === "move") {
        this.turn((point[0] - fingers.point[0]) * 0.008, (point[1] - fingers.point[1]) * 0.006);
        this.near(distance / fingers.distance);
      }
      fingers = { point, distance };
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.near(Math.exp(-event.deltaY * 0.001));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] }[
        event.key
      ];
      if (turns) this.turn(...turns);
      else if (event.key === "+" || event.key === "-") this.near(event.key === "+" ? 1.15 : 1 / 1.15);
      else return;
      event.preventDefault();
    });
  }

  /** The measured point that is drawn where the pointer is; undefined where there is none. */
  pointUnder(event) {
    const box = this.canvas.getBoundingClientRect();
    const u = Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width);
    const v = Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height);
    const drawn = this.drawn?.[v * this.canvas.width + u] ?? -1;
    return drawn < 0 ? undefined : Array.from(this.points.xyz.subarray(3 * drawn, 3 * drawn + 3));
  }

  turn(yaw, pitch) {
    this.angles.yaw -= yaw;
    this.angles.pitch = Math.max(-0.2, Math.min(1.55, this.angles.pitch + pitch));
    this.draw();
  }

  near(factor) {
    this.zoom = Math.max(0.3, Math.min(6, this.zoom * factor));
    this.draw();
  }

  show(scene, boxes) {
    if (this.scene !== scene) {
      this.scene = scene;
      this.points = Room.pointsOf(scene);
    }
    this.boxes = boxes;
    this.draw();
  }

  mark(point) {
    this.point = point;
    this.draw();
  }

  /** All measured pixels of all views as coloured points. */
  static pointsOf(scene) {
    const positions = [];
    const colours = [];
    const canvas = document.createElement("canvas");
    for (const view of scene.views) {
      const S = view.depthSize;
      canvas.width = canvas.height = S;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(view.picture, 0, 0, S, S);
      const { data } = context.getImageData(0, 0, S, S);
      const step = view.size / S;
      for (let i = 0; i < S; i++) {
        for (let j = 0; j < S; j++) {
          const depth = view.depth[i * S + j] / 1000;
          if (depth === 0) continue;
          positions.push(...unproject(view, (j + 0.5) * step - 0.5, (i + 0.5) * step - 0.5, depth));
          const at = 4 * (i * S + j);
          colours.push((255 << 24) | (data[at + 2] << 16) | (data[at + 1] << 8) | data[at]);
        }
      }
    }
    const xyz = Float32Array.from(positions);
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (let i = 0; i < xyz.length; i++) {
      low[i % 3] = Math.min(low[i % 3], xyz[i]);
      high[i % 3] = Math.max(high[i % 3], xyz[i]);
    }
    return { xyz, colours: Uint32Array.from(colours, (c) => c >>> 0), low, high };
  }

  /** The camera's rotation rows (right, up, towards the viewer) and where it looks. */
  camera() {
    const { yaw, pitch } = this.angles;
    const [c, s, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const { low, high } = this.points;
    const centre = [0, 1, 2].map((k) => (low[k] + high[k]) / 2);
    const extent = Math.hypot(...[0, 1, 2].map((k) => high[k] - low[k])) || 1;
    return {
      centre,
      right: [-s, c, 0],
      up: [-c * sp, -s * sp, cp],
      back: [c * cp, s * cp, sp],
      distance: extent / this.zoom,
      focal: 1.2 * this.canvas.height,
    };
  }

  place(camera, x, y, z) {
    const { centre, right, up, back, distance, focal } = camera;
    const [dx, dy, dz] = [x - centre[0], y - centre[1], z - centre[2]];
    const depth = distance - (dx * back[0] + dy * back[1] + dz * back[2]);
    return [
      this.canvas.width / 2 + (focal * (dx * right[0] + dy * right[1] + dz * right[2])) / depth,
      this.canvas.height / 2 - (focal * (dx * up[0] + dy * up[1] + dz * up[2])) / depth,
      depth,
    ];
  }

  draw() {
    if (!this.points || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const { canvas, points } = this;
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const nearest = new Float32Array(width * height).fill(Infinity);
    this.drawn = new Int32Array(width * height).fill(-1);
    const camera = this.camera();
    const top = points.low[2] + ((points.high[2] - points.low[2]) * this.cut.value) / 100;
    const { xyz, colours } = points;
    for (let i = 0, p = 0; p < colours.length; i += 3, p++) {
      if (xyz[i + 2] > top) continue;
      const [x, y, depth] = this.place(camera, xyz[i], xyz[i + 1], xyz[i + 2]);
      if (depth < 0.1) continue;
      const r = Math.max(1, Math.min(4, Math.round((0.025 * camera.focal) / depth)));
      for (let v = Math.floor(y - r / 2); v < y + r / 2; v++) {
        if (v < 0 || v >= height) continue;
        for (let u = Math.floor(x - r / 2); u < x + r / 2; u++) {
          if (u < 0 || u >= width) continue;
          const at = v * width + u;
          if (depth < nearest[at]) {
            nearest[at] = depth;
            pixels[at] = colours[p];
            this.drawn[at] = p;
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
    for (const { box, role, label } of this.boxes) {
      const style = roleStyle[role];
      context.strokeStyle = style.colour;
      context.lineWidth = style.width;
      for (const [from, to] of edgesOf(box)) {
        const [a, b] = [this.place(camera, ...from), this.place(camera, ...to)];
        if (a[2] < 0.1 || b[2] < 0.1) continue;
        context.beginPath();
        context.moveTo(a[0], a[1]);
        context.lineTo(b[0], b[1]);
        context.stroke();
      }
      if (label && role !== "other") {
        const [x, y, depth] = this.place(camera, box[0], box[1], box[2] + box[5] / 2 + 0.05);
        if (depth > 0.1) Views.prototype.label(context, label, x, y, style.colour);
      }
    }
    if (this.point) {
      const [x, y, depth] = this.place(camera, ...this.point);
      if (depth > 0.1) {
        for (const [colour, line] of [
          ["#fff", 5],
          ["#111", 2],
        ]) {
          context.strokeStyle = colour;
          context.lineWidth = line;
          context.beginPath();
          context.arc(x, y, 8, 0, 2 * Math.PI);
          context.stroke();
        }
      }
    }
  }
}
