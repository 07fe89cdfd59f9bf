import { z } from "zod";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { tf } from "../engine/tf";
import { cellRays, type Intrinsics, unproject } from "../geometry/camera";
import { objectPatches, patchMeans, pixelsInside } from "../geometry/patches";
import { voxelsOf } from "../geometry/voxels";
import type { ModelInputs } from "../model/inputs";
import { pooledSide } from "../model/pooling";
import { forward, modelScope } from "../model/s2mllm";
import { structureModule } from "../model/structure";
import { visionPrefix } from "../model/vision";
import { groundingBce, groundingLoss } from "../train/losses/ground";
import { languageLoss } from "../train/losses/language";
import { describeModel } from "../weights/describe";
import {
  type Case,
  caseConfig,
  differentiate,
  HfLanguage,
  languageConfig,
  loadParameters,
  numbers,
  type Produced,
  valueOf,
} from "./case";
import { croppedGrid, intrinsicsOf, worldMap } from "./geometry";
import { supervision } from "./language";

/** Pixels of an image side, and of what the reference keeps of it. */
const [SIZE, KEPT] = [384, 378];
const IMAGE_TOKEN = -200;

const Corner = z.tuple([z.number(), z.number(), z.number()]);

interface Camera {
  readonly depth: number[];
  readonly k: Intrinsics;
  readonly pose: number[];
}

/** Depth in millimetres at full size: every stored value repeated. */
function camerasOf(c: Case): Camera[] {
  const [V, low] = c.shape("depth_low") as [number, number, number];
  const [depths, k, poses] = [c.numbers("depth_low"), c.numbers("intrinsics"), c.numbers("poses")];
  const step = SIZE / low;
  return Array.from({ length: V }, (_, v) => ({
    depth: Array.from(
      { length: SIZE * SIZE },
      (_, i) => depths[v * low * low + Math.floor(Math.floor(i / SIZE) / step) * low + Math.floor((i % SIZE) / step)]!,
    ),
    k: intrinsicsOf(k.slice(16 * v, 16 * v + 16)),
    pose: poses.slice(16 * v, 16 * v + 16),
  }));
}

function configOf(c: Case, s2: boolean): S2Config {
  const stored = c.parameterFiles();
  // the reference adds φ of the centre whatever the name says, as long as its position encoding is on
  const features = `${c.setting("objfeat", z.string(), "patch14").replace(/-pe$/, "")}-pe`;
  const encoded = c.setting("world_position_embedding_type", z.string(), "avg-discrete-sin3d").includes("sin3d");
  const layout = stored.has("st_attention_block.temporal_fc.weight");
  const hidden = stored.get("mlp_pe.0.weight")?.shape[0];
  const fc1 = stored.get("st_attention_block.mlp.fc1.weight");
  const dv = c.setting("dv", z.int());
  return caseConfig({
    vision: { hiddenSize: dv, heads: 1, layers: 1, imageSize: SIZE, patchSize: 14 },
    language: languageConfig(c.setting("model", HfLanguage)),
    structure: {
      interView: s2 && layout,
      intraView: s2 && layout,
      layout: "released",
      dropPath: 0,
      heads: c.setting("st_heads", z.int(), 1),
      ...(fc1 === undefined ? {} : { mlpRatio: fc1.shape[0]! / dv }),
    },
    positions: {
      coordinates: s2 || encoded,
      boxCentres: s2 || encoded,
      coordinatesAt: s2 ? "patches" : "pooled",
      rays: hidden !== undefined,
      ...(hidden === undefined ? {} : { rayHidden: hidden }),
      voxel: c.setting("voxel", z.number()),
      min: c.setting("min", Corner),
      max: c.setting("max", Corner),
    },
    projector: { pooling: c.setting("pool", z.string(), "bilinear"), poolStride: c.setting("pool_stride", z.int(), 2) },
    objects: { features, minShare: features.startsWith("patch27") ? 0.25 : 0.5 },
    grounding: {
      head: c.setting("head", z.string(), "infonce"),
      temperature: c.setting("temperature", z.number(), 0.07),
    },
    reconstruction: { enabled: false },
    lora: { vision: false, language: false },
    lossWeights: { recon: 0, language: s2 ? 1 : 0 },
  });
}

/** Everything the model reads, and the geometry that the golden also compares. */
function prepare(
  c: Case,
  config: S2Config,
  features: tf.Tensor3D,
): { inputs: ModelInputs; geometry: Map<string, Produced>; L: number; P: number } {
  const cameras = camerasOf(c);
  const V = cameras.length;
  const side = Math.round(Math.sqrt(features.shape[1]));
  const m = pooledSide(side, config.projector.pooling, config.projector.poolStride);
  const patch = Math.floor(KEPT / side);
  const cell = Math.floor(KEPT / m);
  const worlds = cameras.map(({ depth, k, pose }) =>
    worldMap(
      depth.map((d) => Math.fround(d / 1000)),
      SIZE,
      SIZE,
      k,
      pose,
    ),
  );

  const placed = croppedGrid(SIZE, SIZE, config.positions.coordinatesAt === "patches" ? patch : cell);
  const voxels = worlds.flatMap((world) => Array.from(voxelsOf(patchMeans(world, placed).mean_N3, config.positions)));
  const N = placed.rows * placed.cols;

  const boxes = c.boxes("objects");
  const O = boxes.length;
  const centres = voxelsOf(
    boxes.flatMap((box) => box.slice(0, 3)),
    config.positions,
  );
  const members = croppedGrid(SIZE, SIZE, config.objects.features.startsWith("patch27") ? cell : patch);
  const n = members.rows * members.cols;
  const counts = new Int32Array(O * V * n);
  worlds.forEach((world, v) => {
    const inside = pixelsInside(world, members, boxes);
    for (let o = 0; o < O; o++) counts.set(inside.subarray(o * n, (o + 1) * n), (o * V + v) * n);
  });
  const belongs = objectPatches(counts, O, members.patch ** 2, config.objects);
  const weights = new Float32Array(belongs.length);
  for (let o = 0; o < O; o++) {
    const own = belongs.subarray(o * V * n, (o + 1) * V * n);
    const total = own.reduce((a, b) => a + b, 0);
    own.forEach((one, i) => (weights[o * V * n + i] = total === 0 ? 0 : one / total));
  }

  const cells = { rows: m, cols: m, cell };
  const middle = Array.from(
    { length: m * m },
    (_, i) => [cell * (i % m) + Math.floor(cell / 2), cell * Math.floor(i / m) + Math.floor(cell / 2)] as const,
  );
  const rays = cameras.map(({ depth, k, pose }) => cellRays(cells, k, pose, { depth, imageCols: SIZE }));
  // the released code keeps millimetres here while poses are in metres: harmless for directions
  const reached = cameras.map(({ depth, k, pose }) => {
    const world = unproject(depth, SIZE, SIZE, k, pose, "centre");
    return middle.flatMap(([u, v]) => [0, 1, 2].map((axis) => world[3 * (v * SIZE + u) + axis]!));
  });

  const ids = c.numbers("input_ids");
  const at = ids.indexOf(IMAGE_TOKEN);
  if (at < 0) throw new UserError(`golden ${c.name}: input_ids has no image placeholder (${IMAGE_TOKEN})`);
  const labels = c.numbers("labels");
  const I = V * m * (m + 1);
  const T = ids.length - at - 1;
  const [P, L] = [at + I, at + I + T];
  const spread = [...labels.slice(0, at), ...new Array<number>(I).fill(-100), ...labels.slice(at + 1)];
  const marks = c.setting("ground", z.array(z.int()).min(1));
  const [first, last] = [marks[0]!, marks.at(-1)!];
  const ground = spread.findIndex((label) => label >= first && label <= last);

  const inputs: ModelInputs = {
    features: features.expandDims(0) as tf.Tensor4D,
    patchVoxels: tf.tensor4d(voxels, [1, V, N, 3]),
    patchKnown: tf.ones([1, V, N]),
    rays: tf.tensor4d(
      rays.flatMap((r) => Array.from(r)),
      [1, V, m * m, 3],
    ),
    objectPatches: tf.tensor3d(weights, [1, O, V * n]),
    objectVoxels: tf.tensor3d(centres, [1, O, 3]),
    objectMask: tf.ones([1, O]),
    before: ids.slice(0, at),
    after: [],
    text: tf.tensor3d(ids.slice(at + 1), [1, 1, T], "int32"),
    groundRows: tf.tensor1d([ground], "int32"),
  };
  const geometry = new Map<string, Produced>([
    ["new_labels", numbers(spread, [1, L])],
    ["attention_mask", numbers(new Float32Array(L).fill(1), [1, L])],
    ["world_voxels", numbers(voxels, [V, placed.rows, placed.cols, 3])],
    ["box_center_voxels", numbers(centres, [O, 3])],
    ["object_patch", numbers(belongs, [O, V, n])],
    [
      "ray.uv",
      numbers(
        cameras.flatMap(() => middle.flatMap((_, i) => [i % m, Math.floor(i / m)])),
        [V, m * m, 2],
      ),
    ],
    [
      "ray.dir",
      numbers(
        rays.flatMap((r) => Array.from(r)),
        [V, m * m, 3],
      ),
    ],
    [
      "ray.origin",
      numbers(
        cameras.flatMap(({ pose }) => middle.flatMap(() => [pose[3]!, pose[7]!, pose[11]!])),
        [V, m * m, 3],
      ),
    ],
    ["ray.p_world", numbers(reached.flat(), [V, m * m, 3])],
  ]);
  return { inputs, geometry, L, P };
}

/**
 * v3d_end_to_end and s2mllm_end_to_end: tower features, depth, poses, boxes and ids to scores, losses and gradients,
 * through the model's own forward pass with one sentence.
 */
export function runEndToEnd(c: Case): Map<string, Produced> {
  const s2 = c.name.startsWith("s2mllm");
  const config = configOf(c, s2);
  const specs = describeModel(config).filter(({ name }) => !name.startsWith(visionPrefix));
  const parameters = loadParameters(specs, c.parameterFiles());
  const tower = tf.variable(c.tensor("tower_features")) as tf.Variable<tf.Rank.R3>;
  const { inputs, geometry, L } = prepare(c, config, tower);
  const [V, N, C] = tower.shape;
  const O = inputs.objectMask.shape[1];
  const D = config.language.hiddenSize;
  const right = c.setting("box_labels", z.array(z.int()));
  const positives = tf.tensor3d(
    Array.from({ length: O + 1 }, (_, o) => (right.includes(o) ? 1 : 0)),
    [1, 1, O + 1],
  );
  const sentence = tf.ones([1, 1]) as tf.Tensor2D;
  const labels = Array.from(geometry.get("new_labels")!.data);

  const wrt = new Map(
    c.named(/^grad\./).map((name) => {
      const of = name.slice("grad.".length);
      const variable = of === "tower_features" ? tower : parameters.get(of);
      if (variable === undefined)
        throw new UserError(`golden ${c.name}: gradient of "${of}" is wanted, but there is no such parameter`);
      return [of, variable as tf.Variable];
    }),
  );
  const { outputs, grads } = differentiate(() => {
    const features = tower.expandDims(0) as tf.Tensor4D;
    const out = forward(parameters, { ...inputs, features }, config, { intermediates: "encodings" });
    const ground =
      config.grounding.head === "mlp"
        ? groundingBce(out.scores, positives, inputs.objectMask, sentence)
        : groundingLoss(out.scores, positives, inputs.objectMask, sentence, config.grounding.temperature);
    const found: Record<string, tf.Tensor> = {
      scores: out.scores.reshape([-1]),
      ground_loss: ground,
      object_features: out.objects.reshape([O, D]),
      last_hidden: out.hidden.reshape([1, L, D]),
      inputs_embeds: out.intermediates.get("embeddings")!,
      encoded_image_features: out.intermediates.get("patches")!,
    };
    let total: tf.Scalar = ground;
    if (s2) {
      const { rows, ids, weights } = supervision(labels, L);
      const language = languageLoss(out.logitsAt(rows), ids, weights);
      total = ground.add(language);
      found.language_loss = language;
    }
    found.total_loss = total;
    return { loss: total, outputs: found };
  }, wrt);
  const produced = new Map([...geometry, ...outputs]);
  for (const [name, value] of grads) produced.set(`grad.${name}`, value);
  if (c.has("st_out_with_cls")) {
    const { tokens, classRow } = structureModule(
      modelScope(parameters, config).at("st_attention_block"),
      tower.expandDims(0) as tf.Tensor4D,
      config.structure,
      { classRow: true },
    );
    produced.set(
      "st_out_with_cls",
      valueOf(tf.concat([classRow!.reshape([1, 1, C]), tokens.reshape([1, V * N, C])], 1)),
    );
  }
  return produced;
}
