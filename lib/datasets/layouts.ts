import { identity4 } from "../geometry/rigid";
import { arkitFolder, arkitMesh, arkitVideos, openArkitFrames, readArkitObjects } from "./arkitscenes";
import type { FrameSource } from "./frame-source";
import {
  multiscanFolder,
  multiscanMesh,
  multiscanScans,
  openMultiscanFrames,
  readMultiscanAlignment,
  readMultiscanObjects,
} from "./multiscan";
import type { SceneMesh, SceneObject } from "./scene";

/** A scan in another set's own layout; nothing of it is read before it is asked for. */
export interface ScanReader {
  readonly kind: "ARKitScenes" | "MultiScan";
  readonly folder: string;
  frames(): FrameSource;
  objects(): SceneObject[];
  /** Row-major 4x4 from the cameras' world to the objects'; undefined when a file that should say so is missing. */
  alignment(): Float64Array | undefined;
  /** In the objects' world; undefined where the scan has none. */
  mesh(): SceneMesh | undefined;
}

/** The scan of that name in a data folder of ARKitScenes or MultiScan; undefined when there is none. */
export function foreignScan(folder: string, id: string): ScanReader | undefined {
  const capture = arkitFolder(folder, id);
  if (capture !== undefined) {
    return {
      kind: "ARKitScenes",
      folder: capture,
      frames: () => openArkitFrames(capture, id),
      objects: () => readArkitObjects(capture, id),
      alignment: identity4,
      mesh: () => arkitMesh(capture, id),
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
    mesh: () => multiscanMesh(scan, id),
  };
}

/** Scans of other sets that a data folder holds. */
export function foreignScans(folder: string): { readonly kind: ScanReader["kind"]; readonly ids: readonly string[] }[] {
  return [
    { kind: "ARKitScenes" as const, ids: [...arkitVideos(folder, "train"), ...arkitVideos(folder, "val")] },
    { kind: "MultiScan" as const, ids: multiscanScans(folder) },
  ].filter(({ ids }) => ids.length > 0);
}
