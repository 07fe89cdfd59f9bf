import type { ProposalSource } from "../../dataloader/prepared-scenes";
import { openScene, readWholeViews } from "../../datasets/scannet";
import type { View } from "../../datasets/scene";
import type { Box } from "../../geometry/box";
import { encodeJpg } from "../../io/jpg";

/** One frame as a page holds it. */
export interface PageView {
  readonly frame: string;
  /** Side of the picture, pixels; intrinsics are those of this picture. */
  readonly size: number;
  /** A data URL. */
  readonly image: string;
  /** uint16[depthSize, depthSize] millimetres, little endian, base64; 0 = not measured. */
  readonly depth: string;
  readonly depthSize: number;
  /** fx, fy, cx, cy in pixels. */
  readonly k: readonly [number, number, number, number];
  /** Row-major 4x4 camera to world, metres. */
  readonly pose: readonly number[];
}

export interface PageScene {
  readonly id: string;
  readonly views: readonly PageView[];
  readonly objects: readonly { readonly id: number; readonly label: string; readonly box: Box }[];
  /** The boxes to choose from, of each source that the page needs, in the model's order. */
  readonly boxes: Partial<Record<ProposalSource, readonly LabelledBox[]>>;
}

export interface LabelledBox {
  readonly box: Box;
  readonly label?: string;
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;

/** Depth by nearest pixel, in whole millimetres; what is further than 65 m counts as not measured. */
function packedDepth({ depth, size }: View, side: number): string {
  const out = new Uint16Array(side * side);
  for (let i = 0; i < out.length; i++) {
    const row = Math.floor(((Math.floor(i / side) + 0.5) * size) / side);
    const column = Math.floor((((i % side) + 0.5) * size) / side);
    const millimetres = Math.round(1000 * depth[row * size + column]!);
    out[i] = millimetres > 0xffff ? 0 : millimetres;
  }
  return Buffer.from(out.buffer).toString("base64");
}

async function pageView(view: View, depthSize: number): Promise<PageView> {
  const { frame, size, colour, intrinsics: k } = view;
  const jpg = await encodeJpg({ rows: size, cols: size, pixels: colour });
  return {
    frame,
    size,
    image: `data:image/jpeg;base64,${jpg.toString("base64")}`,
    depth: packedDepth(view, depthSize),
    depthSize,
    k: [k.fx, k.fy, k.cx, k.cy],
    pose: Array.from(view.pose, round),
  };
}

/** How large pictures and depth stand in a page, pixels a side. */
export interface PageSize {
  readonly picture: number;
  readonly depth: number;
}

export const pageSize: PageSize = { picture: 168, depth: 84 };

/**
 * Reads the frames of a scene for a page; damaged ones are replaced by their nearest whole neighbour.
 *
 * @param frames names, in the model's order
 * @throws UserError when the data set or a frame is not there
 */
export async function pageScene(
  folder: string,
  sceneId: string,
  frames: readonly string[],
  boxes: PageScene["boxes"],
  size = pageSize,
): Promise<PageScene> {
  const scene = openScene(folder, sceneId);
  const { views } = await readWholeViews(scene, frames, size.picture);
  return {
    id: sceneId,
    views: await Promise.all(views.map((view) => pageView(view, size.depth))),
    objects: scene.objects.map(({ id, label, box }) => ({ id, label, box })),
    boxes,
  };
}
