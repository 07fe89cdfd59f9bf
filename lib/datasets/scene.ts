import { UserError } from "../core/errors";
import type { Box } from "../geometry/box";
import type { Intrinsics } from "../geometry/camera";

export type { Intrinsics } from "../geometry/camera";

/** The form of a scene's name. */
export const sceneIdForm = /^\w[\w-]{0,63}$/;

/** One posed RGB-D frame, resized and cropped to a square of `size` pixels. */
export interface View {
  /** Frame name on disk, such as "000120". */
  readonly frame: string;
  readonly size: number;
  /** uint8[size, size, 3] */
  readonly colour: Uint8Array;
  /** float32[size, size] depth along the optical axis, metres; 0 = not measured. */
  readonly depth: Float32Array;
  /** Intrinsics of this resized and cropped image. */
  readonly intrinsics: Intrinsics;
  /** Row-major 4x4, camera (x right, y down, z forward) to axis-aligned world, metres. */
  readonly pose: Float64Array;
}

export interface SceneObject {
  /** Object id of the annotation; equals its index in `Scene.objects`. */
  readonly id: number;
  /** Class name with spaces, such as "trash can". */
  readonly label: string;
  readonly box: Box;
}

/** A mesh in the axis-aligned world. */
export interface SceneMesh {
  /** [vertices, 3] metres */
  readonly points: Float64Array;
  /** int32[faces, 3] vertex numbers */
  readonly faces: Int32Array;
}

/** A box offered to the model as a candidate answer. */
export interface Proposal {
  readonly box: Box;
  /** Detector's class and confidence where it gives them; the model never sees them. */
  readonly label?: string;
  readonly score?: number;
}

/**
 * A scene's name as it may become part of a path: letters, digits, _ and - only, so that no list or annotation can lead
 * out of the data folder.
 *
 * @param origin the file that names the scene
 * @throws UserError for any other text
 */
export function checkSceneId(id: string, origin: string): string {
  if (sceneIdForm.test(id)) return id;
  throw new UserError(
    `${origin}: scene id must be letters, digits, _ and - such as scene0011_00, got ` +
      `${JSON.stringify(id.slice(0, 80))}; ` +
      "take the official file",
  );
}

/** A scene folder opened for reading; frames are read on demand. */
export interface Scene {
  readonly id: string;
  readonly folder: string;
  readonly objects: readonly SceneObject[];
  /** Row-major 4x4 axis alignment that was applied to poses and boxes. */
  readonly alignment: Float64Array;
  /** Frames with both images and a pose that can be used, in order. */
  readonly frames: readonly string[];
  /** Frames that are left out. */
  readonly skippedFrames: readonly string[];
  /** Why each of them is, such as "has no depth image" or "has a pose that is not finite". */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** The kinds of sentence: Sr3D's relations, view-dependent ones, plain attributes, and several clauses together. */
export const relationKinds = [
  "attribute",
  "closest",
  "farthest",
  "between",
  "support",
  "vertical",
  "allocentric",
  "view",
  "viewpoint",
  "several",
] as const;
export type RelationKind = (typeof relationKinds)[number];

/** What a clause of a sentence with several of them may say of an object. */
export const clauseKinds = [
  "closest",
  "farthest",
  "near",
  "far",
  "nearer",
  "between",
  "on",
  "left",
  "right",
  "taller",
] as const;

/** A clause of a sentence; "left" and "right" are those of who stands at the first anchor and faces the second. */
export interface Clause {
  readonly kind: (typeof clauseKinds)[number];
  /** Two for "nearer" (than to the second), "between", "left" and "right", else one. */
  readonly anchors: readonly number[];
  readonly negated?: boolean | undefined;
}

/** One referring sentence. */
export interface Query {
  /** Unique within its file, such as "scene0001_00|12|3" (scene, object, annotation). */
  readonly id: string;
  readonly dataset: "scanrefer" | "nr3d" | "sr3d";
  readonly sceneId: string;
  readonly targetId: number;
  /** The object that the sentence means, where the annotation is known to be wrong (planted in S2-Rooms). */
  readonly truth?: number;
  /** Category of the target, with spaces. */
  readonly category: string;
  readonly description: string;
  /** Lower-case word tokens as the file gives them. */
  readonly tokens: readonly string[];
  /** Known where the file says (Sr3D's reference type; S2-Rooms states it for every sentence). */
  readonly relation?: RelationKind;
  /** Objects that the sentence names as landmarks, where the file says. */
  readonly anchorIds: readonly number[];
  /** The words that name each anchor in `description`, such as "table"; same order as `anchorIds`. */
  readonly anchorWords: readonly string[];
  /** What a sentence of kind "several" says, where the file says. */
  readonly clauses?: readonly Clause[];
  /**
   * Objects of the target's class in the scene, target included: ReferIt3D's stimulus id; of ScanRefer's those that
   * are referred to, until the scene is known.
   */
  readonly sameClass: number;
}
