import { CholeskyDecomposition, Matrix } from "ml-matrix";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import type { PreparedScene, SceneCache } from "../dataloader/prepared-scenes";
import { evaluationViews } from "../dataloader/sampling";
import type { tf } from "../engine/tf";
import { encodeViews, patchPoints } from "./encoded-scene";

/** A linear map with an intercept: y = W x + b. */
export interface LinearMap {
  /** float64[K, D] */
  readonly weights: readonly Float64Array[];
  /** float64[K] */
  readonly intercept: Float64Array;
}

/** The sums that a ridge regression from D to K numbers needs: rows are added one by one and not kept. */
export class RidgeSums {
  #count = 0;
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  readonly #xx: Float64Array;
  readonly #xy: Float64Array;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
  ) {
    this.#x = new Float64Array(inputs);
    this.#y = new Float64Array(outputs);
    this.#xx = new Float64Array(inputs * inputs);
    this.#xy = new Float64Array(inputs * outputs);
  }

  add(x: ArrayLike<number>, y: ArrayLike<number>): void {
    const { inputs: D, outputs: K } = this;
    this.#count++;
    for (let k = 0; k < K; k++) this.#y[k]! += y[k]!;
    for (let i = 0; i < D; i++) {
      const value = x[i]!;
      this.#x[i]! += value;
      // the lower triangle: the other is its mirror
      for (let j = 0; j <= i; j++) this.#xx[i * D + j]! += value * x[j]!;
      for (let k = 0; k < K; k++) this.#xy[i * K + k]! += value * y[k]!;
    }
  }

  /**
   * Closed form of min mean ‖y - W x - b‖² + λ ‖W S‖², S the inputs' standard deviations: an input's unit does not
   * matter, and the intercept is not shrunk.
   */
  solve(lambda: number): LinearMap {
    const { inputs: D, outputs: K } = this;
    const n = this.#count;
    const meanX = this.#x.map((sum) => sum / n),
      meanY = this.#y.map((sum) => sum / n);
    const covariance = (i: number, j: number): number =>
      this.#xx[Math.max(i, j) * D + Math.min(i, j)]! / n - meanX[i]! * meanX[j]!;
    // an input that never changes has no say
    const scale = Float64Array.from({ length: D }, (_, i) => Math.sqrt(Math.max(covariance(i, i), 0)) || 1);
    const left = Matrix.zeros(D, D);
    const right = Matrix.zeros(D, K);
    for (let i = 0; i < D; i++) {
      for (let j = 0; j < D; j++) left.set(i, j, covariance(i, j) / (scale[i]! * scale[j]!) + (i === j ? lambda : 0));
      for (let k = 0; k < K; k++) right.set(i, k, (this.#xy[i * K + k]! / n - meanX[i]! * meanY[k]!) / scale[i]!);
    }
    const solved = new CholeskyDecomposition(left).solve(right);
    const weights = Array.from({ length: K }, (_, k) =>
      Float64Array.from({ length: D }, (_d, i) => solved.get(i, k) / scale[i]!),
    );
    const intercept = meanY.map((y, k) => y - weights[k]!.reduce((sum, w, i) => sum + w * meanX[i]!, 0));
    return { weights, intercept };
  }
}

export function applyLinear({ weights, intercept }: LinearMap, x: ArrayLike<number>): number[] {
  return weights.map((row, k) => {
    let sum = intercept[k]!;
    for (let i = 0; i < row.length; i++) sum += row[i]! * x[i]!;
    return sum;
  });
}

/**
 * How well frozen tokens tell, linearly, where their patch lies beyond what its place in the view says: on rooms that
 * the map was not fitted on.
 */
export interface PointmapProbe {
  readonly fitRooms: number;
  readonly testRooms: number;
  /** Patches of the test rooms. */
  readonly patches: number;
  /**
   * 1 - Σ‖y - ŷ‖² / Σ‖y - ȳ‖², y the three coordinates in the view's own camera frame, ȳ the mean of the patches with
   * the same place in their views; 0: no better than that guess, which looks at nothing.
   */
  readonly r2: number;
  /** Mean of ‖y - ŷ‖, metres. */
  readonly meanError: number;
  /** Mean of ‖y - ȳ‖, metres. */
  readonly guessError: number;
}

export interface ProbeOptions {
  /** Training rooms to fit on, and test rooms; the first ones, as many as there are at most. */
  readonly fit: number;
  readonly test: number;
  readonly progress?: ProgressSink;
}

/** Weight of the penalty on standardised inputs. */
const penalty = 1e-3;
/** Patches with less of their depth than this are left out. */
const enough = 0.5;

/**
 * Linear probe: ridge regression from a frozen model's projected tokens (before any position encoding) to the local
 * pointmap at the patches' resolution, less the mean point of each place in the view: a camera at one height sees the
 * same depths in the same rows, which a token need not tell.
 */
export function probePointmaps(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  { fit, test, progress }: ProbeOptions,
): PointmapProbe {
  const D = config.language.hiddenSize;
  const { N } = cache.dims;
  const fitted = cache.scenes("train").slice(0, fit);
  const tested = cache.scenes("val").slice(0, test);
  if (fitted.length === 0 || tested.length === 0)
    throw new UserError(
      `${config.data.folder}: a probe is fitted on training rooms and tested on others; it has ${fitted.length} and ` +
        `${tested.length}`,
    );
  const places = placeMeans(fitted, cache, config);
  let done = 0;
  /** Gives the token of each patch with enough depth, and its point less the mean of its place. */
  const each = (scenes: readonly PreparedScene[], use: (token: Float32Array, off: number[]) => void): void => {
    for (const scene of scenes) {
      const { tokens, views } = encodeViews(parameters, config, cache, scene);
      const { points, measured } = patchPoints(scene, views, cache, config);
      scene.release();
      measured.forEach((share, i) => {
        if (share < enough) return;
        const off = [0, 1, 2].map((axis) => points[3 * i + axis]! - places[3 * (i % N) + axis]!);
        use(tokens.subarray(i * D, (i + 1) * D), off);
      });
      progress?.({ task: "probe pointmaps", done: ++done, total: fitted.length + tested.length });
    }
  };
  const sums = new RidgeSums(D, 3);
  each(fitted, (token, off) => sums.add(token, off));
  const map = sums.solve(penalty);
  let [patches, error, guess, residual, squares] = [0, 0, 0, 0, 0];
  each(tested, (token, off) => {
    const found = applyLinear(map, token);
    const left = off.reduce((sum, y, axis) => sum + (y - found[axis]!) ** 2, 0);
    const whole = off.reduce((sum, y) => sum + y ** 2, 0);
    patches++;
    residual += left;
    squares += whole;
    error += Math.sqrt(left);
    guess += Math.sqrt(whole);
  });
  return {
    fitRooms: fitted.length,
    testRooms: tested.length,
    patches,
    r2: 1 - residual / squares,
    meanError: error / patches,
    guessError: guess / patches,
  };
}

/** float64[N, 3] mean point of the patches at each place in their views, metres; 0 where none has enough depth. */
function placeMeans(scenes: readonly PreparedScene[], cache: SceneCache, config: S2Config): Float64Array {
  const { N, pool } = cache.dims;
  const counts = new Float64Array(N);
  const means = new Float64Array(3 * N);
  for (const scene of scenes) {
    const { points, measured } = patchPoints(scene, evaluationViews(pool, config), cache, config);
    scene.release();
    measured.forEach((share, i) => {
      if (share < enough) return;
      counts[i % N]!++;
      for (let axis = 0; axis < 3; axis++) means[3 * (i % N) + axis]! += points[3 * i + axis]!;
    });
  }
  return means.map((sum, i) => sum / Math.max(1, counts[Math.floor(i / 3)]!));
}
