import type { S2Config } from "../config/schema";
import { mean } from "../core/averages";
import { UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import { Rng } from "../core/rng";
import type { PreparedScene, SceneCache } from "../dataloader/prepared-scenes";
import { pointmapPixels } from "../dataloader/record";
import type { tf } from "../engine/tf";
import { project } from "../geometry/camera";
import { invertRigid, transformPoints } from "../geometry/rigid";
import type { AttentionWeights } from "./attention";
import { encodeViews, patchPoints } from "./encoded-scene";

/** Counterpart and patch are one place where their depths in the other view differ by no more than this. */
const tolerance = { metres: 0.15, share: 0.05 } as const;

/**
 * Where depth puts the counterpart of a patch: uint8[N, V, V], 1 where what patch n of the asking view shows lies, in
 * the other view, in the patch of the same index and is not hidden there. The diagonal is 0.
 *
 * @param views positions in the pool
 */
export function counterparts(
  scene: Pick<PreparedScene, "record">,
  views: readonly number[],
  cache: Pick<SceneCache, "dims">,
  config: S2Config,
): Uint8Array {
  const { N, side, patchPixels } = cache.dims;
  const V = views.length;
  const { points, measured } = patchPoints(scene, views, cache, config);
  const cameras = views.map((view) => scene.record.camera(view));
  // the frame's first pixel that a pointmap's cell begins in is also the patch's
  const patch = Math.sqrt(patchPixels);
  const last = pointmapPixels(cache.dims).at(-1)!;
  const toCamera = cameras.map(({ pose }) => invertRigid(pose));
  const out = new Uint8Array(N * V * V);
  for (let asking = 0; asking < V; asking++) {
    const world = transformPoints(cameras[asking]!.pose, points.subarray(asking * N * 3, (asking + 1) * N * 3));
    for (let n = 0; n < N; n++) {
      if (measured[asking * N + n] === 0) continue;
      for (let other = 0; other < V; other++) {
        if (other === asking || measured[other * N + n] === 0) continue;
        const seen = project(world.subarray(3 * n, 3 * n + 3), cameras[other]!.intrinsics, toCamera[other]!);
        if (seen.depth <= 0 || seen.u < 0 || seen.v < 0 || seen.u > last || seen.v > last) continue;
        if (Math.floor(seen.v / patch) * side + Math.floor(seen.u / patch) !== n) continue;
        const there = points[(other * N + n) * 3 + 2]!;
        const allowed = Math.max(tolerance.metres, tolerance.share * there);
        if (Math.abs(seen.depth - there) <= allowed) out[(n * V + asking) * V + other] = 1;
      }
    }
  }
  return out;
}

/** Attention between the same patches of views, and which of them show one place. */
export interface MatchedAttention {
  /** [N, heads, V, V]: a patch of an asking view over the same patch of all views. */
  readonly inter: AttentionWeights;
  /** uint8[N, V, V] */
  readonly matches: Uint8Array;
}

/** What one head does, in shares of a patch's weight for one view. */
export interface HeadCorrespondence {
  /** Mean weight of a view that shows the counterpart, and of one that does not; the asking view is neither. */
  readonly counterpart: number;
  readonly others: number;
  /** Mean weight of views drawn at random in place of the counterparts, and the range of 95 % of the draws. */
  readonly shuffled: { readonly mean: number; readonly low: number; readonly high: number };
}

export interface Correspondence {
  readonly scenes: number;
  /** Share of the ordered pairs of views and patches of which the counterpart has the same patch index. */
  readonly coverage: number;
  /** Patches of asking views with a counterpart in some views and none in others: what heads are compared on. */
  readonly patches: number;
  readonly heads: readonly HeadCorrespondence[];
}

const draws = 200;

/**
 * Whether inter-view attention looks where the same place is seen: for each head the weight on views with a
 * counterpart against the weight on the others, and against as many views drawn at random.
 */
export function correspondenceOf(
  scenes: readonly MatchedAttention[],
  rng = new Rng(0, "correspondence"),
): Correspondence {
  const [, H] = scenes[0]!.inter.shape as [number, number];
  let [pairs, matched] = [0, 0];
  /** A patch of an asking view: weight of every other view by head, and how many of the first are counterparts. */
  const asked: { readonly weights: readonly (readonly number[])[]; readonly found: number }[] = [];
  for (const { inter, matches } of scenes) {
    const [N, , V] = inter.shape as [number, number, number];
    for (let n = 0; n < N; n++) {
      for (let asking = 0; asking < V; asking++) {
        const others = Array.from({ length: V }, (_, view) => view).filter((view) => view !== asking);
        const with_ = others.filter((view) => matches[(n * V + asking) * V + view] === 1);
        pairs += others.length;
        matched += with_.length;
        if (with_.length === 0 || with_.length === others.length) continue;
        const order = [...with_, ...others.filter((view) => !with_.includes(view))];
        const weights = Array.from({ length: H }, (_, h) =>
          order.map((view) => inter.values[((n * H + h) * V + asking) * V + view]!),
        );
        asked.push({ weights, found: with_.length });
      }
    }
  }
  const sums = Array.from({ length: draws }, () => new Float64Array(H));
  for (const { weights, found } of asked)
    for (const sum of sums) {
      const chosen = rng.shuffle(Array.from({ length: weights[0]!.length }, (_, i) => i)).slice(0, found);
      weights.forEach((own, h) => (sum[h]! += mean(chosen.map((i) => own[i]!))));
    }
  const heads = Array.from({ length: H }, (_, h): HeadCorrespondence => {
    const random = sums.map((sum) => sum[h]! / asked.length).sort((a, b) => a - b);
    return {
      counterpart: mean(asked.map(({ weights, found }) => mean(weights[h]!.slice(0, found)))),
      others: mean(asked.map(({ weights, found }) => mean(weights[h]!.slice(found)))),
      shuffled: {
        mean: mean(random),
        low: random[Math.floor(0.025 * draws)]!,
        high: random[Math.ceil(0.975 * draws) - 1]!,
      },
    };
  });
  return { scenes: scenes.length, coverage: matched / pairs, patches: asked.length, heads };
}

/**
 * The same of a trained model, on test scenes.
 *
 * @param count scenes, from the first on
 * @throws UserError when the model has no inter-view attention between the same patches, or no patch has a counterpart
 */
export function measureCorrespondence(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  count: number,
  progress?: ProgressSink,
): Correspondence {
  if (!config.structure.interView || config.structure.layout !== "paper")
    throw new UserError(
      "this run has no inter-view attention between the same patches: structure.interView is off, or " +
        "structure.layout is released; measure a run that has it, such as full",
    );
  const scenes = cache.scenes("val").slice(0, count);
  const matched = scenes.map((scene, i): MatchedAttention => {
    const { inter, views } = encodeViews(parameters, config, cache, scene);
    const matches = counterparts(scene, views, cache, config);
    scene.release();
    progress?.({ task: "measure correspondence", done: i + 1, total: scenes.length });
    return { inter: inter!, matches };
  });
  const found = correspondenceOf(matched);
  if (found.patches === 0)
    throw new UserError(
      `in ${scenes.length} scenes no patch has its counterpart at the same index of another view (coverage ` +
        `${(100 * found.coverage).toFixed(2)} %); measure more scenes, or views that overlap (neighbours)`,
    );
  return found;
}
