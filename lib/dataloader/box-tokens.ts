import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { Rng } from "../core/rng";
import type { PreparedScene, ProposalSource } from "./prepared-scenes";
import type { RecordDims } from "./record";

/**
 * Input of the baseline "boxes and sentence": in place of pictures one token a proposal, which says its place, its size
 * and, where `data.boxes` is "labelled", its class. A proposal fills one pooled token of the views, that is all patches
 * of its cell, so that everything behind the vision tower stays as it is.
 */

/** Channels of the size; those behind them say the class. */
const sizeChannels = 3;
const codes = new Map<string, Float32Array>();

/** A class as random signs, the same in every run. */
function codeOf(label: string, channels: number): Float32Array {
  const key = `${channels} ${label}`;
  const known = codes.get(key);
  if (known !== undefined) return known;
  const rng = new Rng(0, `class ${label}`);
  const code = Float32Array.from({ length: channels }, () => (rng.next() < 0.5 ? -1 : 1));
  codes.set(key, code);
  return code;
}

/** Patches of a scene's views that stand for each proposal: places among V*N. */
function cellsOf(proposals: number, views: number, dims: RecordDims, where: string): number[][] {
  const { N, side, M, pooledSide } = dims;
  if (proposals > views * M)
    throw new UserError(
      `${where}: ${proposals} proposals as tokens need ${Math.ceil(proposals / M)} views; raise data.frames`,
    );
  const stride = Math.floor(side / pooledSide);
  return Array.from({ length: proposals }, (_, o) => {
    const [view, cell] = [Math.floor(o / M), o % M];
    const corner = view * N + Math.floor(cell / pooledSide) * stride * side + (cell % pooledSide) * stride;
    return Array.from({ length: stride ** 2 }, (_, i) => corner + Math.floor(i / stride) * side + (i % stride));
  });
}

/** uint8[O, V*N] which patches stand for each proposal. */
export function boxMembership(
  scene: PreparedScene,
  views: number,
  dims: RecordDims,
  source: ProposalSource,
): Uint8Array {
  const row = views * dims.N;
  const cells = cellsOf(scene.boxes(source).length, views, dims, `scene ${scene.id}`);
  const members = new Uint8Array(cells.length * row);
  cells.forEach((cell, o) => {
    for (const patch of cell) members[o * row + patch] = 1;
  });
  return members;
}

/**
 * Writes the proposals where a scene's views would stand.
 *
 * @param turns quarters by which the room is turned: an odd number swaps width and depth
 * @param out features float32[V, N, C], world coordinates float32[V, N, 3] (not turned) and what is known float32[V, N]
 */
export function writeBoxes(
  { scene, views, turns }: { readonly scene: PreparedScene; readonly views: readonly number[]; readonly turns: number },
  dims: RecordDims,
  config: S2Config,
  source: ProposalSource,
  out: { readonly features: Float32Array; readonly xyz: Float32Array; readonly known: Float32Array },
): void {
  const { C } = dims;
  if (dims.pixels === true || dims.pooledXyz === true)
    throw new UserError("data.boxes needs a frozen vision tower and coordinates of patches: it replaces both");
  const entries = source === "gt" ? scene.entry.objects : scene.entry.proposals;
  const boxes = scene.boxes(source);
  cellsOf(boxes.length, views.length, dims, `scene ${scene.id}`).forEach((cell, o) => {
    const [x, y, z, w, d, h] = boxes[o]!;
    const label = entries[o]!.label;
    const token = new Float32Array(C);
    token.set(turns % 2 === 0 ? [w, d, h] : [d, w, h]);
    if (config.data.boxes === "labelled" && label !== undefined)
      token.set(codeOf(label, C - sizeChannels), sizeChannels);
    for (const patch of cell) {
      out.features.set(token, patch * C);
      out.xyz.set([x, y, z], patch * 3);
      out.known[patch] = 1;
    }
  });
}
