import { identity4 } from "../geometry/rigid";
import { arkitFolder, arkitVertices, arkitVideos, openArkitFrames, readArkitObjects } from "./arkitscenes";
import type { FrameSource } from "./frame-source";
import {
  multiscanFolder,
  multiscanScans,
  multiscanVertices,
  openMultiscanFrames,
  readMultiscanAlignment,
  readMultiscanObjects,
} from "./multiscan";
import type { SceneObject } from "./scene";

/** A scan of a set that is not in ScanNet's layout; nothing of it is read before it is asked for. */
export interface OtherScan {
  readonly kind: "ARKitScenes" | "MultiScan";
  readonly folder: string;
  frames(): FrameSource;
  objects(): SceneObject[];
  /** Row-major 4x4 from the cameras' world to the objects'; undefined when a file that should say so is missing. */
  alignment(): Float64Array | undefined;
  /** float64[n, 3] of the mesh, in the objects' world. */
  vertices(): Float64Array;
}

/** The scan of that name in a data folder of ARKitScenes or MultiScan; undefined when there is none. */
export function otherScan(folder: string, id: string): OtherScan | undefined {
  const capture = arkitFolder(folder, id);
  if (capture !== undefined) {
    return {
      kind: "ARKitScenes",
      folder: capture,
      frames: () => openArkitFrames(capture, id),
      objects: () => readArkitObjects(capture, id),
      alignment: identity4,
      vertices: () => arkitVertices(capture, id),
    };
  }
  const scan = multiscanFolder(folder, id);
  if (scan === undefined) return undefined;
  return {
    kind: "MultiScan",
    folder: scan,
    frames: () => openMultiscanFrames(scan, id),
    objects: () => readMultiscanObjects(scan, id),
    alignment: () => readMultiscanAlignment(scan, id),
    vertices: () => multiscanVertices(scan, id),
  };
}

/** Scans of other sets that a data folder holds. */
export function otherScans(folder: string): { readonly kind: OtherScan["kind"]; readonly ids: readonly string[] }[] {
  return [
    { kind: "ARKitScenes" as const, ids: [...arkitVideos(folder, "train"), ...arkitVideos(folder, "val")] },
    { kind: "MultiScan" as const, ids: multiscanScans(folder) },
  ].filter(({ ids }) => ids.length > 0);
}
