import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { namesIn } from "../core/files";
import { arkitFiles, arkitFolder } from "./arkitscenes";
import { type FrameStore, frameStore } from "./frame-source";
import { maskExportFile } from "./masks";
import { multiscanFiles, multiscanFolder } from "./multiscan";
import { boxListFile, objectFiles } from "./objects";
import { proposalFile } from "./proposals";

/** What a file of a scan is needed for; a recording is colour, depth, poses and cameras in one. */
export type ScenePart = "recording" | "colour" | "depth" | "poses" | "cameras" | "objects" | "proposals";

export interface SceneFile {
  readonly part: ScenePart;
  /** Inside the scan's folder where it lies there; with / on every system. */
  readonly name: string;
  readonly path: string;
}

const frameOrder = ["colour", "depth", "poses"] as const;
/** A frame's files by the end of their names: SensReader's, 7-Scenes', 3RScan's and TUM's names first. */
const bySuffix: readonly (readonly [RegExp, ScenePart])[] = [
  [/\.color\.(?:jpe?g|png)$/i, "colour"],
  [/(?:\.depth\.(?:png|pgm))$/i, "depth"],
  [/(?:\.pose|^groundtruth)\.txt$/, "poses"],
  [/^\d.*\.jpe?g$/i, "colour"],
  [/^\d.*\.(?:png|pgm)$/i, "depth"],
  [/^\d.*\.txt$/, "poses"],
];

/** Files of a folder of frames, by number; `part` undefined: by the file's kind. */
function framesIn(folder: string, prefix: string, part?: ScenePart): { file: SceneFile; number: number }[] {
  return namesIn(folder).map((name) => {
    const number = Number.parseInt(/^(?:frame-)?(\d+)/.exec(name)?.[1] ?? "", 10);
    const kind = part ?? bySuffix.find(([pattern]) => pattern.test(name))?.[1] ?? "cameras";
    return { file: { part: kind, name: prefix + name, path: join(folder, name) }, number };
  });
}

/** Frame by frame (colour, depth, pose), then what has no number, by name. */
function inOrder(found: readonly { file: SceneFile; number: number }[]): SceneFile[] {
  const place = ({ part }: SceneFile): number => frameOrder.indexOf(part as (typeof frameOrder)[number]);
  return [...found]
    .sort(
      (a, b) =>
        Number(Number.isNaN(a.number)) - Number(Number.isNaN(b.number)) ||
        a.number - b.number ||
        place(a.file) - place(b.file) ||
        (a.file.name < b.file.name ? -1 : 1),
    )
    .map(({ file }) => file);
}

function named(part: ScenePart, ...paths: readonly string[]): SceneFile[] {
  return paths.map((path) => ({ part, name: path.split(/[\\/]/).at(-1)!, path }));
}

/** The files of a scan's frames as they are stored, cameras that stand beside them among them. */
function frameFiles({ kind, path }: FrameStore): SceneFile[] {
  const sub = (name: string, part: ScenePart): { file: SceneFile; number: number }[] =>
    framesIn(join(path, name), `${name}/`, part);
  if (kind === "sens") return named("recording", path);
  if (kind === "exported folders")
    return inOrder([
      ...sub("color", "colour"),
      ...sub("depth", "depth"),
      ...sub("pose", "poses"),
      ...sub("intrinsic", "cameras").map((f) => ({ ...f, number: NaN })),
      ...framesIn(path, "", "cameras").filter(({ file }) => /intrinsics?.*\.txt$/.test(file.name)),
    ]);
  if (kind === "TUM RGB-D")
    return inOrder([
      ...sub("rgb", "colour"),
      ...sub("depth", "depth"),
      ...framesIn(path, "").filter(({ file }) => file.name.endsWith(".txt")),
    ]);
  return inOrder(framesIn(path, "posed_images/").filter(({ file }) => /\.(jpe?g|png|pgm|txt)$/i.test(file.name)));
}

/** Files of a scan in ScanNet's layout. S2-Rooms' maker hashes a room's files in this order. */
function scannetFiles(folder: string, id: string): SceneFile[] {
  const scan = join(folder, "scans", id);
  const store = frameStore(folder, id);
  const frames = store === undefined ? [] : frameFiles(store);
  const { mesh, segments, aggregation } = objectFiles(folder, id);
  const own = new Set(frames.map(({ path }) => path));
  const boxes = boxListFile(folder, id);
  return [
    ...frames,
    ...named("cameras", join(scan, `${id}.txt`)).filter(({ path }) => !own.has(path)),
    ...named("objects", mesh, segments, aggregation, ...(boxes === undefined ? [] : [boxes])),
  ];
}

/** Files that preparing a scan reads, but for those that serve all scans of the folder; some may not be there. */
export function scanFiles(folder: string, id: string): SceneFile[] {
  const capture = arkitFolder(folder, id);
  if (capture !== undefined) {
    const files = arkitFiles(capture, id);
    return [
      ...framesIn(files.colour, "colour/", "colour").map(({ file }) => file),
      ...framesIn(files.depth, "depth/", "depth").map(({ file }) => file),
      ...framesIn(files.intrinsics, "intrinsics/", "cameras").map(({ file }) => file),
      ...named("poses", files.trajectory),
      ...named("objects", files.annotation, files.mesh),
    ];
  }
  const scan = multiscanFolder(folder, id);
  if (scan !== undefined) {
    const files = multiscanFiles(scan, id);
    return [
      ...inOrder(framesIn(files.colour, "color/", "colour")),
      ...named("depth", files.depth),
      ...named("poses", files.cameras, files.alignment),
      ...named("cameras", files.facts),
      ...named("objects", files.annotation, files.mesh),
    ];
  }
  return scannetFiles(folder, id);
}

/** The files that a scan's proposals come from, the masks that an export names among them. */
export function proposalFiles(folder: string, id: string): SceneFile[] {
  const found = proposalFile(folder, id);
  // released boxes serve all scenes: their entry counts, not the file
  if (found === undefined || found.file.includes(join(folder, "metadata"))) return [];
  const files = named("proposals", found.file);
  if (found.file !== maskExportFile(folder, id) || !existsSync(found.file)) return files;
  const masks = readFileSync(found.file, "utf8")
    .split(/\r?\n/)
    .map((line) => line.trim().split(/\s+/)[0]!)
    .filter((name) => name !== "");
  return [
    ...files,
    ...masks.map((name): SceneFile => {
      return { part: "proposals", name, path: resolve(dirname(found.file), name) };
    }),
  ];
}
