import { unproject } from "../../geometry/camera";
import { patchGrid, pixelsInside } from "../../geometry/patches";
import { uniformFrames } from "../frame-sampling";
import { readViews, type ScanNetScene } from "../scannet";

export interface Visibility {
  /** Share of objects with at least 20 measured pixels inside their box in one of the views. */
  readonly seen: number;
  /** Share of objects with a patch more than half inside their box, and with one at least 5% inside. */
  readonly patch50: number;
  readonly patch5: number;
  readonly objects: number;
}

/**
 * How well objects show in `count` uniformly sampled views of each scene, measured from the files as the model reads
 * them.
 */
export async function measureVisibility(
  scenes: readonly ScanNetScene[],
  count: number,
  size: number,
  patch: number,
): Promise<Visibility> {
  let [objects, seen, patch50, patch5] = [0, 0, 0, 0];
  for (const scene of scenes) {
    const frames = uniformFrames(scene.frames.length, count).map((i) => scene.frames[i]!);
    const views = await readViews(scene, frames, size);
    const best = new Float64Array(scene.objects.length);
    const most = new Float64Array(scene.objects.length);
    for (const view of views) {
      const world = unproject(view.depth, size, size, view.intrinsics, view.pose);
      const inside = pixelsInside(
        world,
        patchGrid(size, size, patch),
        scene.objects.map((o) => o.box),
      );
      const n = inside.length / scene.objects.length;
      scene.objects.forEach((_, o) => {
        const counts = inside.subarray(o * n, (o + 1) * n);
        best[o] = Math.max(best[o]!, ...counts);
        most[o] = Math.max(
          most[o]!,
          counts.reduce((a, b) => a + b, 0),
        );
      });
    }
    scene.objects.forEach((_, o) => {
      objects++;
      if (most[o]! >= 20) seen++;
      if (best[o]! > 0.5 * patch * patch) patch50++;
      if (best[o]! >= 0.05 * patch * patch) patch5++;
    });
  }
  return { seen: seen / objects, patch50: patch50 / objects, patch5: patch5 / objects, objects };
}
