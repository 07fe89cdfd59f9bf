import { z } from "zod";
import { pointmapDepth, pointmapsOf } from "../dataloader/pointmap-targets";
import { recordDims, SceneRecord } from "../dataloader/record";
import { tf } from "../engine/tf";
import { unproject } from "../geometry/camera";
import { invertRigid, transformPoints } from "../geometry/rigid";
import { dptHead } from "../model/dpt";
import {
  fast3rPrefix,
  fusionDecoder,
  imageEmbeddings,
  projectionName,
  reconstructionParameters,
} from "../model/reconstruction";
import { Scope } from "../nn/scope";
import { type Predicted, pointmapTerms } from "../train/losses/pointmap";
import { blockConfig, type Case, differentiate, loadParameters, numbers, type Produced, valueOf } from "./case";
import { intrinsicsOf } from "./geometry";

const DecoderSizes = z.looseObject({
  views: z.int(),
  enc: z.int(),
  dim: z.int(),
  heads: z.int(),
  depth: z.int(),
  bias: z.boolean().default(false),
});
const HeadSizes = z.looseObject({
  nh: z.int(),
  nw: z.int(),
  patch: z.int(),
  fdim: z.int(),
  layer_dims: z.tuple([z.int(), z.int(), z.int(), z.int()]),
});

/** fast3r_decoder_head: encoder tokens to pointmaps, by the heads that the golden has: both, one, or none. */
export function runFast3r(c: Case): Map<string, Produced> {
  const stored = c.parameterFiles();
  const heads = [
    ["downstream_head", ""],
    ["downstream_head_local", "_local"],
  ] as const;
  const present = heads.filter(([head]) => [...stored.keys()].some((name) => name.startsWith(`${head}.`)));
  const { views: V, dim: D, ...decoder } = c.settings(DecoderSizes);
  const head = present.length === 0 ? undefined : c.settings(HeadSizes);
  const config = blockConfig({
    reconstruction: {
      encoderSize: decoder.enc,
      hiddenSize: D,
      heads: decoder.heads,
      depth: decoder.depth,
      mlpRatio: c.shape("param.decoder.dec_blocks.0.mlp.fc1.weight")[0]! / D,
      scoreBias: decoder.bias,
      global: present.some(([name]) => name === "downstream_head"),
      local: present.some(([name]) => name === "downstream_head_local"),
      ...(head === undefined
        ? {}
        : {
            layerDims: head.layer_dims,
            featureDim: head.fdim,
            lastDim: c.shape(`param.${present[0]![0]}.dpt.head.2.weight`)[0],
            patchSize: head.patch,
          }),
    },
    lora: { language: false },
  });
  const specs = reconstructionParameters(config).filter(({ name }) => !name.startsWith(`${projectionName}.`));
  const parameters = loadParameters(specs, stored);
  const views = Array.from({ length: V }, (_, v) => tf.variable(c.tensor(`view${v}.encoded_feats`)));
  const [B, N, E] = views[0]!.shape as [number, number, number];
  const ids = c.tensor<tf.Tensor2D>("image_ids");
  const wrt = new Map<string, tf.Variable>();
  for (const name of c.named(/^grad\./))
    wrt.set(name, parameters.get(`${fast3rPrefix}.${name.slice("grad.".length)}`)!);
  views.forEach((variable, v) => wrt.set(`view${v}.grad.encoded_feats`, variable));

  const { outputs, grads } = differentiate(() => {
    const p = new Scope(parameters).at(fast3rPrefix);
    const x = tf.stack(views, 1).reshape([B, V, N, E]) as tf.Tensor4D;
    const states = fusionDecoder(p.at("decoder"), x, ids, config.reconstruction);
    const found: Record<string, tf.Tensor> = {};
    states.forEach((state, k) => (found[`decoder.out.${k}`] = state));
    const losses: tf.Tensor[] = [];
    for (const [name, suffix] of present) {
      const map = dptHead(p.at(name).at("dpt"), states, {
        scenes: B,
        views: V,
        rows: head!.nh,
        columns: head!.nw,
        patchSize: config.reconstruction.patchSize,
      });
      const points = tf.unstack(map.points, 1);
      const confidence = tf.unstack(map.confidence, 1);
      points.forEach((pts, v) => {
        found[`view${v}.pts3d${suffix}`] = pts;
        found[`view${v}.conf${suffix}`] = confidence[v]!;
        losses.push(
          pts
            .tanh()
            .mean()
            .mul(v + 1),
          confidence[v]!.log().mean(),
        );
      });
    }
    // without a head there is nothing that a loss is made of: states are compared alone
    const loss = (losses.length === 0 ? states[0]!.mean() : tf.addN(losses)).asScalar();
    if (losses.length > 0) found.loss = loss;
    return { loss, outputs: found };
  }, wrt);
  const produced = new Map([...outputs, ...grads]);
  produced.set("image_idx_emb", valueOf(imageEmbeddings(ids, D)));
  return produced;
}

/** World points [B, Y*X, 3] moved into camera frames, one pose a sample; zero where not valid, whatever stood there. */
function intoCamera({ world, valid }: ViewTruth, poses: readonly number[], B: number): Float64Array {
  const size = world.length / B;
  const out = new Float64Array(world.length);
  for (let b = 0; b < B; b++) {
    out.set(
      transformPoints(invertRigid(poses.slice(16 * b, 16 * b + 16)), world.slice(b * size, (b + 1) * size)),
      b * size,
    );
  }
  valid.forEach((ok, i) => {
    if (ok === 0) out.fill(0, 3 * i, 3 * i + 3);
  });
  return out;
}

interface ViewTruth {
  /** [B, Y, X, 3] */
  readonly world: readonly number[];
  readonly valid: readonly number[];
  /** [B, 4, 4] */
  readonly pose: readonly number[];
}

/** The loss's variables, and the terms of the global and the local maps. */
function runTerms(
  c: Case,
  truths: readonly ViewTruth[],
  total: (terms: readonly tf.Tensor1D[]) => tf.Scalar,
): {
  produced: Map<string, Produced>;
  terms: Map<"global" | "local", { confidence: Produced; distance: Produced }>;
} {
  const V = truths.length;
  const [B, Y, X] = c.shape("view0.pred_pts") as [number, number, number];
  const alpha = c.setting("alpha", z.number(), 0.2);
  const five = (parts: readonly Float64Array[]): tf.Tensor5D =>
    tf.stack(
      parts.map((part) => tf.tensor(Float32Array.from(part), [B, Y, X, 3])),
      1,
    ) as tf.Tensor5D;
  const valid = tf.stack(
    truths.map((t) => tf.tensor(Float32Array.from(t.valid), [B, Y, X])),
    1,
  ) as tf.Tensor4D;
  const wrt = new Map<string, tf.Variable>();
  const predict = (suffix: string): (() => Predicted) => {
    const load = (name: string): tf.Variable[] =>
      truths.map((_, v) => {
        const variable = tf.variable(c.tensor(`view${v}.${name}${suffix}`));
        wrt.set(`view${v}.grad.${name}${suffix}`, variable);
        return variable;
      });
    const [points, confidence] = [load("pred_pts"), load("pred_conf")];
    return () => ({ points: tf.stack(points, 1) as tf.Tensor5D, confidence: tf.stack(confidence, 1) as tf.Tensor4D });
  };
  const parts: { name: "global" | "local"; predicted: () => Predicted; truth: tf.Tensor5D }[] = [
    { name: "global", predicted: predict(""), truth: five(truths.map((t) => intoCamera(t, truths[0]!.pose, B))) },
  ];
  if (c.has("view0.pred_pts_local")) {
    parts.push({
      name: "local",
      predicted: predict("_local"),
      truth: five(truths.map((t) => intoCamera(t, t.pose, B))),
    });
  }
  const { outputs, grads } = differentiate(() => {
    const terms = parts.map(({ name, predicted, truth }) =>
      pointmapTerms(predicted(), truth, valid, name === "global" ? "joint" : "each", alpha),
    );
    const loss = total(terms.map(({ confidence }) => confidence));
    const found: Record<string, tf.Tensor> = { loss };
    parts.forEach(({ name }, i) => {
      found[`${name}.confidence`] = terms[i]!.confidence;
      found[`${name}.distance`] = terms[i]!.distance;
    });
    return { loss, outputs: found };
  }, wrt);
  const produced = new Map<string, Produced>(grads);
  produced.set("loss", outputs.get("loss")!);
  const terms = new Map(
    parts.map(({ name }) => [
      name,
      { confidence: outputs.get(`${name}.confidence`)!, distance: outputs.get(`${name}.distance`)! },
    ]),
  );
  for (const [name, { confidence, distance }] of terms) {
    for (let v = 0; v < V; v++) {
      const number = String(v).padStart(2, "0");
      produced.set(`detail.conf_loss_${name}.${number}`, numbers([confidence.data[v]!]));
      produced.set(`detail.pts3d_loss_${name}.${number}`, numbers([distance.data[v]!]));
    }
  }
  return { produced, terms };
}

function storedTruths(c: Case): ViewTruth[] {
  return Array.from({ length: c.setting("views", z.int()) }, (_, v) => ({
    world: c.numbers(`view${v}.gt_pts3d`),
    valid: c.numbers(`view${v}.valid_mask`),
    pose: c.numbers(`view${v}.camera_pose`),
  }));
}

const meanOfAll = (terms: readonly tf.Tensor1D[]): tf.Scalar =>
  tf
    .concat([...terms])
    .mean()
    .asScalar();

/** fast3r_conf_loss: mean over the views, global and local terms together. */
export function runFast3rLoss(c: Case): Map<string, Produced> {
  return runTerms(c, storedTruths(c), meanOfAll).produced;
}

/** dust3r_conf_loss: the sum of its two views. */
export function runDust3rLoss(c: Case): Map<string, Produced> {
  const { produced, terms } = runTerms(c, storedTruths(c), (all) =>
    tf
      .concat([...all])
      .sum()
      .asScalar(),
  );
  const { confidence, distance } = terms.get("global")!;
  for (const v of [0, 1]) {
    // the reference's names: conf_loss_1 and conf_loss2
    produced.set(v === 0 ? "detail.conf_loss_1" : "detail.conf_loss2", numbers([confidence.data[v]!]));
    produced.set(`detail.Regr3D_pts3d_${v + 1}`, numbers([distance.data[v]!]));
  }
  return produced;
}

/** s2mllm_recon_loss: the same loss, its pointmaps made from depth maps. */
export function runReconLoss(c: Case): Map<string, Produced> {
  const [V, Y, X] = c.shape("depths") as [number, number, number];
  const [depths, poses, k] = [
    c.numbers("depths"),
    c.numbers("camera_pose"),
    intrinsicsOf(c.numbers("camera_intrinsics")),
  ];
  const truths = Array.from({ length: V }, (_, v) => {
    const depth = depths.slice(v * Y * X, (v + 1) * Y * X);
    const pose = poses.slice(16 * v, 16 * v + 16);
    return {
      world: Array.from(unproject(depth, Y, X, k, pose, "centre")),
      valid: depth.map((d) => (d > 0 ? 1 : 0)),
      pose,
    };
  });
  const { produced } = runTerms(c, truths, meanOfAll);
  truths.forEach(({ world, valid }, v) => {
    produced.set(`view${v}.gt_world`, numbers(world, [Y, X, 3]));
    produced.set(`view${v}.valid`, numbers(valid, [Y, X]));
  });
  return produced;
}

/** pointmap_targets: true pointmaps of frames whose side is no multiple of the patch. */
export function runPointmapTargets(c: Case): Map<string, Produced> {
  const { views: V, image, patch } = c.settings(z.looseObject({ views: z.int(), image: z.int(), patch: z.int() }));
  const [depths, cameras, poses] = ["depths", "camera_intrinsics", "camera_pose"].map((name) => c.numbers(name)) as [
    number[],
    number[],
    number[],
  ];
  const produced = new Map<string, Produced>();
  for (const name of new Set(c.named(/^target\d+\./).map((own) => own.split(".")[0]!))) {
    const config = blockConfig({
      vision: { imageSize: image, patchSize: patch },
      reconstruction: { patchSize: Number(name.slice("target".length)), scenesPerStep: 0, viewsPerStep: 0 },
      data: { frames: V, pool: V },
    });
    const dims = recordDims(config);
    const record = new SceneRecord(dims);
    const views = Array.from({ length: V }, (_, v) => v);
    for (const v of views) {
      const depth = Float32Array.from(depths.slice(v * image ** 2, (v + 1) * image ** 2));
      record.depth(v).set(pointmapDepth({ depth, size: image }, dims));
      record.setCamera(v, intrinsicsOf(cameras.slice(16 * v, 16 * v + 16)), poses.slice(16 * v, 16 * v + 16));
    }
    const { local, global, valid } = pointmapsOf([{ scene: { record }, views, draw: 0 }], { dims }, config);
    const R = dims.pointmap;
    produced.set(`${name}.local`, numbers(local, [V, R, R, 3]));
    produced.set(`${name}.global`, numbers(global, [V, R, R, 3]));
    produced.set(`${name}.valid`, numbers(valid, [V, R, R]));
  }
  return produced;
}
