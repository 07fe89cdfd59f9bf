/* Cameras as in lib/geometry/camera.ts: x right, y down, z forward; poses row-major 4x4 camera-to-world; metres. */

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** World point of a pixel with its depth. */
function unproject(view, u, v, depth) {
  const [fx, fy, cx, cy] = view.k;
  const m = view.pose;
  const x = ((u - cx) / fx) * depth;
  const y = ((v - cy) / fy) * depth;
  return [0, 1, 2].map((r) => m[4 * r] * x + m[4 * r + 1] * y + m[4 * r + 2] * depth + m[4 * r + 3]);
}

/** Pixel and depth of a world point in a view. */
function project(view, point) {
  const [fx, fy, cx, cy] = view.k;
  const m = view.pose;
  const d = [0, 1, 2].map((r) => point[r] - m[4 * r + 3]);
  // the inverse of a rotation is its transpose
  const [x, y, z] = [0, 1, 2].map((c) => m[c] * d[0] + m[4 + c] * d[1] + m[8 + c] * d[2]);
  return { u: (fx * x) / z + cx, v: (fy * y) / z + cy, depth: z };
}

/** Measured depth at a pixel, metres; 0 where nothing was measured or outside of the image. */
function depthAt(view, u, v) {
  const S = view.depthSize;
  const scale = S / view.size;
  const [i, j] = [Math.floor((v + 0.5) * scale), Math.floor((u + 0.5) * scale)];
  return i < 0 || j < 0 || i >= S || j >= S ? 0 : view.depth[i * S + j] / 1000;
}

/** Whether a view shows a world point: inside of the image, and nothing measured more than 10 cm in front of it. */
function sees(view, { u, v, depth }) {
  if (!(depth > 0.05) || u < 0 || v < 0 || u > view.size - 1 || v > view.size - 1) return false;
  const measured = depthAt(view, u, v);
  return measured === 0 || measured > depth - 0.1;
}

/** Whether a box [centre, size] holds a point; measured points of its surface may lie 5 cm outside. */
const encloses = (box, point) => [0, 1, 2].every((k) => Math.abs(point[k] - box[k]) <= box[k + 3] / 2 + 0.05);

/** The twelve edges of an axis-aligned box [centre, size]. */
function edgesOf([cx, cy, cz, sx, sy, sz]) {
  const corner = (i) => [
    cx + ((i & 1 ? 1 : -1) * sx) / 2,
    cy + ((i & 2 ? 1 : -1) * sy) / 2,
    cz + ((i & 4 ? 1 : -1) * sz) / 2,
  ];
  const edges = [];
  for (let i = 0; i < 8; i++) {
    for (const bit of [1, 2, 4]) if (!(i & bit)) edges.push([corner(i), corner(i | bit)]);
  }
  return edges;
}

/** Makes a scene of the page ready: depth as numbers, pictures decoded. */
async function openScene(scene) {
  if (scene.ready) return scene;
  await Promise.all(
    scene.views.map(async (view) => {
      if (typeof view.depth === "string") {
        const raw = bytesOf(view.depth);
        view.depth = new Uint16Array(raw.buffer, 0, raw.length / 2);
      }
      const picture = new Image();
      picture.src = view.image;
      await picture.decode();
      view.picture = picture;
    }),
  );
  scene.ready = true;
  return scene;
}
