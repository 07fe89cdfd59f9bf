import { CholeskyDecomposition, Matrix } from "ml-matrix";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import type { PreparedScene, SceneCache } from "../dataloader/prepared-scenes";
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

/** How well frozen tokens tell, linearly, where their patch lies: on rooms that the map was not fitted on. */
export interface PointmapProbe {
  readonly fitRooms: number;
  readonly testRooms: number;
  /** Patches of the test rooms. */
  readonly patches: number;
  /** 1 - Σ‖y - ŷ‖² / Σ‖y - ȳ‖², y the three coordinates in the view's own camera frame. */
  readonly r2: number;
  /** Mean of ‖y - ŷ‖, metres. */
  readonly meanError: number;
  /** The same for a guess that looks at nothing: the mean of the patch with the same place in its view. */
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
 * pointmap at the patches' resolution.
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
  let done = 0;
  const each = (
    scenes: readonly PreparedScene[],
    use: (token: Float32Array, point: Float32Array, patch: number) => void,
  ): void => {
    for (const scene of scenes) {
      const { tokens, views } = encodeViews(parameters, config, cache, scene);
      const { points, measured } = patchPoints(scene, views, cache, config);
      scene.release();
      measured.forEach((share, i) => {
        if (share >= enough) use(tokens.subarray(i * D, (i + 1) * D), points.subarray(3 * i, 3 * i + 3), i % N);
      });
      progress?.({ task: "probe pointmaps", done: ++done, total: fitted.length + tested.length });
    }
  };
  const sums = new RidgeSums(D, 3);
  const places = Array.from({ length: N }, () => ({ count: 0, sum: [0, 0, 0] }));
  each(fitted, (token, point, patch) => {
    sums.add(token, point);
    const place = places[patch]!;
    place.count++;
    place.sum.forEach((_, axis) => (place.sum[axis]! += point[axis]!));
  });
  const map = sums.solve(penalty);
  let [patches, error, guess, residual, squares] = [0, 0, 0, 0, 0];
  const total = [0, 0, 0];
  each(tested, (token, point, patch) => {
    const found = applyLinear(map, token);
    const { count, sum } = places[patch]!;
    const off = point.reduce((s, y, axis) => s + (y - found[axis]!) ** 2, 0);
    patches++;
    residual += off;
    error += Math.sqrt(off);
    guess += Math.hypot(...Array.from(point, (y, axis) => y - sum[axis]! / Math.max(1, count)));
    point.forEach((y, axis) => {
      total[axis]! += y;
      squares += y * y;
    });
  });
  const variance = squares - total.reduce((s, sum) => s + sum ** 2 / patches, 0);
  return {
    fitRooms: fitted.length,
    testRooms: tested.length,
    patches,
    r2: 1 - residual / variance,
    meanError: error / patches,
    guessError: guess / patches,
  };
}
