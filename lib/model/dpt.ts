import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { conv, convParameters, upconv } from "../nn/conv";
import { cornerMatrix, mapPlanes } from "../nn/resize";
import type { Scope } from "../nn/scope";
import { type InitStyle, weightInit } from "./initialise";

/** What the head predicts for each pixel. */
export interface Pointmap {
  /** float32[S, V, Y, X, 3] */
  readonly points: tf.Tensor5D;
  /** float32[S, V, Y, X], above 1 */
  readonly confidence: tf.Tensor4D;
}

export interface DptShape {
  readonly scenes: number;
  readonly views: number;
  /** Patches down and across. */
  readonly rows: number;
  readonly columns: number;
  /** Output pixels a patch side. */
  readonly patchSize: number;
}

// Maps are planes, float32[n, D, Y, X], from the taps to the raw output.

function upsample(x: tf.Tensor4D, rows: number, columns: number): tf.Tensor4D {
  const [, , Y, X] = x.shape;
  return rows === Y && columns === X ? x : mapPlanes(x, cornerMatrix(Y, rows), cornerMatrix(X, columns));
}

/** 1x1 convolution of a decoder state, float32[S, V*N, width], as a map of `rows` x `columns`. */
function tapMap(p: Scope, state: tf.Tensor3D, n: number, rows: number, columns: number): tf.Tensor4D {
  const weight = p.get("weight");
  const [out, width] = weight.shape as [number, number];
  const y = tf
    .matMul(state.reshape([n * rows * columns, width]), weight.reshape([out, width]), false, true)
    .add(p.get("bias"));
  return y
    .reshape([n, rows * columns, out])
    .transpose([0, 2, 1])
    .reshape([n, out, rows, columns]) as tf.Tensor4D;
}

function residualUnit(p: Scope, x: tf.Tensor4D): tf.Tensor4D {
  return x.add(conv(p.at("conv2"), conv(p.at("conv1"), x.relu()).relu()));
}

/** One step from coarse to fine: adds the finer map, refines, doubles the side. */
function fuse(p: Scope, coarse: tf.Tensor4D, fine?: tf.Tensor4D): tf.Tensor4D {
  const joined = fine === undefined ? coarse : coarse.add<tf.Tensor4D>(residualUnit(p.at("resConfUnit1"), fine));
  // Fast3R projects after doubling; weights of an interpolation sum to 1, so that before it is the same and costs a
  // quarter
  const refined = conv(p.at("out_conv"), residualUnit(p.at("resConfUnit2"), joined));
  return upsample(refined, 2 * refined.shape[2], 2 * refined.shape[3]);
}

/** point = x/‖x‖ · (e^‖x‖ - 1); confidence = 1 + e^c. */
function postprocess(raw: tf.Tensor4D, scenes: number, views: number): Pointmap {
  const [, , Y, X] = raw.shape;
  const [xyz, c] = tf.split(raw, [3, 1], 1) as [tf.Tensor, tf.Tensor];
  const length = xyz.square().sum(1, true).add(1e-16).sqrt();
  const planes = xyz.mul(length.expm1().div(length)).reshape([scenes, views, 3, Y, X]);
  return {
    points: planes.transpose([0, 1, 3, 4, 2]) as tf.Tensor5D,
    confidence: c.exp().add(1).reshape([scenes, views, Y, X]),
  };
}

/** The decoder states that a DPT head reads, of what `fusionDecoder` returns: at 0, 1/2, 3/4 and the end. */
export function dptTaps(states: readonly tf.Tensor3D[]): [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor3D] {
  const depth = states.length - 1;
  return [states[0]!, states[Math.floor(depth / 2)]!, states[Math.floor((3 * depth) / 4)]!, states[depth]!];
}

/**
 * DPT head: four taps of the decoder become maps of 4, 2, 1 and 1/2 times the patch grid, fused from coarse to fine.
 *
 * @param p scope at `…dpt`
 * @param states what `fusionDecoder` returns
 */
export function dptHead(p: Scope, states: readonly tf.Tensor3D[], shape: DptShape): Pointmap {
  const raw = p.part((...taps) => rawPointmap(p, taps, shape), ...dptTaps(states));
  return postprocess(raw, shape.scenes, shape.views);
}

/** What the head's convolutions give: float32[n, 4, Y, X], three of a point and one of its confidence. */
function rawPointmap(p: Scope, taps: readonly tf.Tensor3D[], shape: DptShape): tf.Tensor4D {
  const { scenes, views, rows, columns, patchSize } = shape;
  const n = scenes * views;
  const post = (level: number): Scope => p.at(`act_postprocess.${level}`);
  const scratch = p.at("scratch");
  const [tap0, tap1, tap2, tap3] = taps.map((tap, level) => tapMap(post(level).at("0"), tap, n, rows, columns)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  const levels = [
    upconv(post(0).at("1"), tap0),
    upconv(post(1).at("1"), tap1),
    tap2,
    conv(post(3).at("1"), tap3, 2),
  ].map((map, level) => conv(scratch.at(`layer${level + 1}_rn`), map)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  const [level1, level2, level3, level4] = levels;
  // doubling the half-size map overshoots an odd grid by one: cut it to its neighbour
  const path4 = fuse(scratch.at("refinenet4"), level4).slice([0, 0, 0, 0], [-1, -1, level3.shape[2], level3.shape[3]]);
  const path3 = fuse(scratch.at("refinenet3"), path4, level3);
  const path2 = fuse(scratch.at("refinenet2"), path3, level2);
  const path1 = fuse(scratch.at("refinenet1"), path2, level1);
  const head = p.at("head");
  const full = upsample(conv(head.at("0"), path1), rows * patchSize, columns * patchSize);
  return conv(head.at("4"), conv(head.at("2"), full).relu());
}

/** `refinenet4.resConfUnit1` exists in Fast3R's checkpoint but is never used, so it has no place here. */
export function dptParameters(at: string, config: S2Config["reconstruction"], init: InitStyle): ParameterSpec[] {
  const { layerDims, featureDim: F, lastDim, encoderSize, hiddenSize } = config;
  const add = (name: string, out: number, width: number, side: number, bias = true): ParameterSpec[] =>
    convParameters(
      `${at}.${name}`,
      [out, width, side, side],
      weightInit(init, width * side ** 2, out * side ** 2),
      bias,
    );
  const list: ParameterSpec[] = [];
  layerDims.forEach((width, level) => {
    list.push(...add(`act_postprocess.${level}.0`, width, level === 0 ? encoderSize : hiddenSize, 1));
    list.push(...add(`scratch.layer${level + 1}_rn`, F, width, 3, false));
  });
  for (const [level, side] of [
    [0, 4],
    [1, 2],
  ] as const) {
    const width = layerDims[level];
    list.push(...add(`act_postprocess.${level}.1`, width, width, side));
  }
  list.push(...add("act_postprocess.3.1", layerDims[3], layerDims[3], 3));
  for (const level of [1, 2, 3, 4]) {
    for (const unit of level === 4 ? [2] : [1, 2]) {
      for (const name of ["conv1", "conv2"])
        list.push(...add(`scratch.refinenet${level}.resConfUnit${unit}.${name}`, F, F, 3));
    }
    list.push(...add(`scratch.refinenet${level}.out_conv`, F, F, 1));
  }
  list.push(...add("head.0", F / 2, F, 3), ...add("head.2", lastDim, F / 2, 3), ...add("head.4", 4, lastDim, 1));
  return list;
}
