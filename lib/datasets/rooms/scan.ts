import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors";
import { Rng } from "../../core/rng";
import type { Box } from "../../geometry/box";
import { identity4, invertRigid, multiply4, turnAndShift } from "../../geometry/rigid";
import { encodeJpg } from "../../io/jpg";
import { type Mesh, writePly } from "../../io/ply";
import { encodePng16 } from "../../io/png16";
import { BoxForm } from "../box-file";
import { parsed, parseJson } from "../json-file";
import { ClauseForm } from "../scanrefer";
import { type Proposal, relationKinds } from "../scene";
import { cameraOf, disturbed, walk } from "./cameras";
import { type ColourName, colourNames } from "./classes";
import { configHash, planRooms, type RoomPlan, type RoomsConfig } from "./config";
import { detect } from "./detector";
import { drawLayout, type Layout, type RoomObject } from "./layout";
import { meshOf } from "./mesh";
import { describeObjects } from "./natural";
import { render } from "./render";
import { expose } from "./sensor";
import { mislabelled, type RoomSentence, richness, type Shown, writeSentences } from "./sentences";
import { type Finish, solidOf } from "./solid";

/** What the maker remembers of a room, beside the files that a scan has. */
export interface RoomRecord {
  readonly id: string;
  readonly split: RoomPlan["split"];
  /** `configHash` of the config it was made with. */
  readonly config: string;
  /** sha256 of the room's files. */
  readonly content: string;
  readonly size: readonly [number, number, number];
  readonly objects: readonly {
    readonly label: string;
    readonly colour: ColourName;
    readonly role: RoomObject["role"];
    readonly box: Box;
    /** Pixels that show it in each frame with a valid pose. */
    readonly pixels: readonly number[];
  }[];
  readonly sentences: readonly RoomSentence[];
  /** What the detector offers; test rooms only. */
  readonly proposals: readonly Proposal[];
}

/** Width, depth, height. */
const Metres = z.tuple([z.number(), z.number(), z.number()]);
const RecordConfig = z.looseObject({ config: z.string() });
const RoomRecordFile: z.ZodType<RoomRecord> = z.strictObject({
  id: z.string(),
  split: z.enum(["train", "val"]),
  config: z.string(),
  content: z.string(),
  size: Metres,
  objects: z.array(
    z.strictObject({
      label: z.string(),
      colour: z.enum(colourNames),
      role: z.enum(["anchor", "target", "small", "single"]),
      box: BoxForm,
      pixels: z.array(z.int().min(0)),
    }),
  ),
  sentences: z.array(
    z.strictObject({
      kind: z.enum(relationKinds),
      target: z.int().min(0),
      truth: z.int().min(0).optional(),
      anchors: z.array(z.int().min(0)),
      clauses: z.array(ClauseForm).optional(),
      text: z.string(),
    }),
  ),
  proposals: z.array(z.strictObject({ box: BoxForm, label: z.string().optional(), score: z.number().optional() })),
});

export const sceneFolder = (folder: string, id: string): string => join(folder, "scans", id);
const recordFile = (folder: string, id: string): string => join(sceneFolder(folder, id), `${id}.rooms.json`);

/**
 * The record of a finished room; undefined when it is not there yet or was made with another config.
 *
 * @throws UserError when a scan of that name exists that this maker did not write
 */
export function finishedRoom(folder: string, id: string, config: RoomsConfig): RoomRecord | undefined {
  const file = recordFile(folder, id);
  if (!existsSync(file)) {
    if (existsSync(sceneFolder(folder, id))) {
      throw new UserError(
        `${sceneFolder(folder, id)} exists and was not written by "data make" (no ${id}.rooms.json); name ` +
          "another folder with --folder",
      );
    }
    return undefined;
  }
  const todo = "remove the scan's folder and run data make again";
  const record = parseJson(file, RecordConfig, "what the maker remembers of a room", todo);
  return record.config === configHash(config) ? parsed(record, RoomRecordFile, file, todo) : undefined;
}

function chooseLayout(config: RoomsConfig, rng: Rng): Layout {
  let best: Layout | undefined;
  let most = -1;
  for (let kept = 0, tried = 0; kept < config.layouts; tried++) {
    if (tried > 200 * config.layouts)
      throw new UserError(
        `rooms config "${config.name}": objects do not fit into rooms of ${config.side.join(" to ")} m; allow ` +
          "larger sides or fewer objects",
      );
    const layout = drawLayout(config, rng);
    if (layout === undefined) continue;
    kept++;
    const score = richness(layout, config.margins);
    if (score > most) {
      most = score;
      best = layout;
    }
  }
  return best!;
}

export function finishOf(rng: Rng): Finish {
  const tinted = (low: number, high: number): [number, number, number] => {
    const grey = rng.uniform(low, high);
    return [grey + rng.uniform(-14, 18), grey + rng.uniform(-12, 12), grey + rng.uniform(-18, 12)];
  };
  const angle = rng.uniform(0, 2 * Math.PI);
  return {
    floor: tinted(105, 185),
    walls: tinted(165, 215),
    light: [0.5 * Math.cos(angle), 0.5 * Math.sin(angle), Math.sqrt(0.75)],
  };
}

function matrixText(m: ArrayLike<number>): string {
  return `${[0, 1, 2, 3]
    .map((i) =>
      [0, 1, 2, 3]
        .map((j) => {
          const x = m[4 * i + j]!;
          return Number.isFinite(x) ? x.toFixed(6) : x > 0 ? "inf" : "-inf";
        })
        .join(" "),
    )
    .join("\n")}\n`;
}

/** Files of a room by their path inside its folder. */
export interface RoomFiles {
  readonly record: RoomRecord;
  readonly files: ReadonlyMap<string, Uint8Array | string>;
}

/** A box, or bounds, in a room that is `by` times as large. */
const larger = ([a, b, c, d, e, f]: Box, by: number): Box => [a * by, b * by, c * by, d * by, e * by, f * by];

/** The same room, `by` times as large. */
function enlarged({ size: [w, d, h], objects }: Layout, by: number): Layout {
  return {
    size: [w * by, d * by, h * by],
    objects: objects.map((o) => ({
      ...o,
      box: larger(o.box, by),
      parts: o.parts.map((part) => ({ ...part, bounds: larger(part.bounds, by) })),
    })),
  };
}

/** A room before pictures are taken of it. */
interface Furnished {
  readonly rng: Rng;
  readonly layout: Layout;
  readonly finish: Finish;
  /** The layout in the metres that are written. */
  readonly stored: Layout;
}

function furnish(config: RoomsConfig, plan: RoomPlan): Furnished {
  const rng = new Rng(config.seed, `rooms/${plan.id}`);
  const layout = chooseLayout(config, rng.fork("layout"));
  const { scale = 1 } = config;
  return { rng, layout, finish: finishOf(rng.fork("finish")), stored: scale === 1 ? layout : enlarged(layout, scale) };
}

/** What the detector offers in a room to test on, in the metres that are written. */
function offeredIn({ rng, layout }: Furnished, { detector, scale = 1 }: RoomsConfig): Proposal[] {
  const offered = detect(layout, detector, rng.fork("detector"));
  return scale === 1 ? offered : offered.map((p) => ({ ...p, box: larger(p.box, scale) }));
}

/** Boxes and mesh of a room in the axis-aligned world, as its files have them. */
export interface RoomContents {
  readonly objects: readonly { readonly id: number; readonly label: string; readonly box: Box }[];
  readonly proposals: readonly Proposal[];
  mesh(): Mesh;
}

/** A room to test on without its pictures, which take nearly all of the time that a room takes. */
export function roomContents(config: RoomsConfig, plan: RoomPlan): RoomContents {
  const room = furnish(config, plan);
  return {
    objects: room.stored.objects.map(({ label, box }, id) => ({ id, label, box })),
    proposals: offeredIn(room, config),
    mesh: () => meshOf(room.stored, room.finish, identity4()).mesh,
  };
}

/** Makes one room in memory. Depends on the config and the room's id only. */
export async function makeRoom(config: RoomsConfig, plan: RoomPlan): Promise<RoomFiles> {
  const room = furnish(config, plan);
  const { rng, layout, finish, stored } = room;
  const cameraRng = rng.fork("cameras");
  const noise = rng.fork("noise");

  // the scanner's own world is turned and shifted; axisAlignment undoes it
  const place = rng.fork("place");
  const alignment = turnAndShift(
    place.uniform(-Math.PI, Math.PI),
    place.uniform(-4, 4),
    place.uniform(-4, 4),
    place.uniform(-0.5, 0.5),
  );
  // as written: 6 decimals
  const written = alignment.map((x) => Number(x.toFixed(6)));
  const toScan = invertRigid(alignment);

  // pictures are taken of the room as it is drawn; what is written of places is larger
  const { scale = 1 } = config;
  const k = cameraOf(config);
  const size = config.image;
  const number = Number(plan.id.slice(5, 9));
  const lost = config.lostPoseEvery > 0 && number % config.lostPoseEvery === config.lostPoseEvery - 1;
  const poses = walk(layout, config.frames + (lost ? 1 : 0), cameraRng, config.walk);
  const lostFrame = lost ? 1 + cameraRng.int(poses.length - 2) : -1;

  const files = new Map<string, Uint8Array | string>();
  const solid = solidOf(layout, finish);
  const pixels = layout.objects.map((): number[] => []);
  const encoded: Promise<void>[] = [];
  poses.forEach((pose, i) => {
    // frame numbers as if every 20th frame of a recording were kept
    const name = String(20 * i);
    const picture = render(solid, k, pose, size);
    const { colour, depth } = expose(picture, size, config, noise);
    const slot = `color/${name}.jpg`;
    files.set(slot, "");
    encoded.push(encodeJpg({ rows: size, cols: size, pixels: colour }).then((jpg) => void files.set(slot, jpg)));
    if (scale !== 1) depth.forEach((d, at) => void (depth[at] = Math.min(65535, Math.round(d * scale))));
    files.set(`depth/${name}.png`, encodePng16({ rows: size, cols: size, pixels: depth }));
    if (scale !== 1) for (const at of [3, 7, 11]) pose[at]! *= scale;
    const written = multiply4(toScan, disturbed(pose, config, cameraRng));
    files.set(`pose/${name}.txt`, matrixText(i === lostFrame ? written.fill(-Infinity) : written));
    if (i === lostFrame) return;
    const counts = new Int32Array(layout.objects.length);
    const { objects } = picture;
    for (let n = 0; n < objects.length; n++) if (objects[n]! >= 0) counts[objects[n]!]!++;
    counts.forEach((count, id) => pixels[id]!.push(count));
  });
  await Promise.all(encoded);

  const intrinsic = matrixText([k.fx, 0, k.cx, 0, 0, k.fy, k.cy, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  files.set("intrinsic/intrinsic_color.txt", intrinsic);
  files.set("intrinsic/intrinsic_depth.txt", intrinsic);
  files.set(
    `${plan.id}.txt`,
    [
      `axisAlignment = ${[...written].map((x) => x.toFixed(6)).join(" ")}`,
      `colorHeight = ${size}`,
      `colorWidth = ${size}`,
      `depthHeight = ${size}`,
      `depthWidth = ${size}`,
      `fx_color = ${k.fx.toFixed(6)}`,
      `fy_color = ${k.fy.toFixed(6)}`,
      `mx_color = ${k.cx.toFixed(6)}`,
      `my_color = ${k.cy.toFixed(6)}`,
      `fx_depth = ${k.fx.toFixed(6)}`,
      `fy_depth = ${k.fy.toFixed(6)}`,
      `mx_depth = ${k.cx.toFixed(6)}`,
      `my_depth = ${k.cy.toFixed(6)}`,
      `numColorFrames = ${poses.length}`,
      `numDepthFrames = ${poses.length}`,
      "sceneType = S2-Rooms",
      "",
    ].join("\n"),
  );

  const { mesh, segments, objectSegments } = meshOf(stored, finish, toScan);
  const meshName = `${plan.id}_vh_clean_2`;
  files.set(`${meshName}.ply`, writePly(mesh));
  files.set(`${meshName}.0.010000.segs.json`, JSON.stringify({ params: {}, sceneId: plan.id, segIndices: segments }));
  files.set(
    `${plan.id}.aggregation.json`,
    JSON.stringify({
      sceneId: `scannet.${plan.id}`,
      appId: "s2-rooms",
      segmentsFile: `scannet.${meshName}.0.010000.segs.json`,
      segGroups: layout.objects.map((o, i) => ({ id: i, objectId: i, segments: objectSegments[i], label: o.label })),
    }),
  );

  const content = createHash("sha256");
  for (const [name, data] of files) content.update(name).update("\0").update(data).update("\0");
  const count = plan.split === "train" ? config.trainSentences : config.testSentences;
  const write = config.natural === true ? describeObjects : writeSentences;
  const meant = write(layout, shownBy(pixels, config), count, config, rng.fork("sentences"));
  const { wrongLabels } = config;
  const sentences =
    wrongLabels === undefined || plan.split === "train"
      ? meant
      : mislabelled(meant, layout, wrongLabels, rng.fork("wrong-labels"));
  const record: RoomRecord = {
    id: plan.id,
    split: plan.split,
    config: configHash(config),
    content: content.digest("hex"),
    size: stored.size,
    objects: stored.objects.map(({ label, colour, role, box }, i) => ({
      label,
      colour,
      role,
      box,
      pixels: pixels[i]!,
    })),
    sentences,
    proposals: plan.split === "val" ? offeredIn(room, config) : [],
  };
  return { record, files };
}

/**
 * Makes one room on disk: all files under a temporary name, then one rename. One that is there is replaced, but for one
 * that another process finishes meanwhile: it is the same.
 */
export async function writeRoom(folder: string, config: RoomsConfig, plan: RoomPlan): Promise<void> {
  const final = sceneFolder(folder, plan.id);
  rmSync(final, { recursive: true, force: true });
  const { record, files } = await makeRoom(config, plan);
  const temporary = `${final}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  for (const sub of ["color", "depth", "pose", "intrinsic"]) mkdirSync(join(temporary, sub), { recursive: true });
  for (const [name, data] of files) writeFileSync(join(temporary, name), data);
  writeFileSync(join(temporary, `${plan.id}.rooms.json`), JSON.stringify(record));
  try {
    renameSync(temporary, final);
  } catch (error) {
    rmSync(temporary, { recursive: true });
    if (finishedRoom(folder, plan.id, config) === undefined) throw error;
  }
}

/** An object's class can be told where it fills this share of a picture (3 % are 376 pixels of 112 x 112). */
const classShare = 0.03;

/** What sentences may speak of. @param pixels of each object, in each frame */
export function shownBy(
  pixels: readonly (readonly number[])[],
  { image, splitEvidence, shown: { frames, share, attributeShare } }: RoomsConfig,
): Shown {
  const on = (least: number): Set<number> =>
    new Set(
      pixels.flatMap((each, id) => (each.filter((n) => n >= least * image * image).length >= frames ? [id] : [])),
    );
  const seen = (id: number, frame: number, least: number): boolean => pixels[id]![frame]! >= least * image * image;
  return {
    attribute: on(attributeShare),
    relation: on(share),
    ...(splitEvidence === true
      ? {
          split: (answer, anchor) => {
            const frames = pixels[answer]!.map((_, frame) => frame);
            const named = frames.filter((frame) => seen(answer, frame, classShare));
            return named.length > 0 && named.every((frame) => !seen(anchor, frame, share));
          },
        }
      : {}),
  };
}

/** The plan of a room of this config by its id. @throws UserError for an id that the config has no room for */
export function planOf(config: RoomsConfig, id: string): RoomPlan {
  const plan = planRooms(config).find((p) => p.id === id);
  if (plan === undefined) throw new UserError(`rooms config "${config.name}" has no room ${id}`);
  return plan;
}
