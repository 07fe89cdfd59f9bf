import type { Scene, View } from "../../datasets/scene";
import type { Box } from "../../geometry/box";
import { unproject } from "../../geometry/camera";
import { type Points, sceneFigure } from "./scene";
import type { Figure } from "./theme";

/** Points that a figure shows; more would make it slow to turn. */
const mostPoints = 12_000;

/** What the views measured, as points of the axis-aligned world, metres, in their colours. */
export function viewPoints(views: readonly View[]): Points {
  const pixels = views.reduce((n, { size }) => n + size ** 2, 0);
  const stride = Math.max(1, Math.ceil(pixels / mostPoints));
  const positions: number[] = [];
  const colours: number[] = [];
  for (const { depth, size, intrinsics, pose, colour } of views) {
    const points = unproject(depth, size, size, intrinsics, pose);
    for (let i = 0; i < size ** 2; i += stride) {
      if (depth[i] === 0) continue;
      positions.push(...points.subarray(3 * i, 3 * i + 3));
      colours.push(...colour.subarray(3 * i, 3 * i + 3));
    }
  }
  return { positions, colours };
}

/** A scene as its views saw it, with the boxes of its objects, and one that was picked. Turn it with the mouse. */
export function roomFigure(
  scene: Pick<Scene, "id" | "folder" | "objects"> & { readonly views: readonly View[] },
  picked?: { readonly sentence: string; readonly box: Box },
): Figure {
  return sceneFigure({
    sceneId: scene.id,
    source: scene.folder,
    sentence: picked?.sentence ?? `${scene.objects.length} objects, ${scene.views.length} views`,
    boxes: [
      ...scene.objects.map(({ box, label }) => ({ box, label, role: "object" as const })),
      ...(picked === undefined ? [] : [{ box: picked.box, label: "picked", role: "predicted" as const }]),
    ],
    points: viewPoints(scene.views),
  });
}
