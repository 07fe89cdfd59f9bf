import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { bytesIn, writeFileAtomic } from "../core/files";
import type { Box } from "../geometry/box";
import { type RecordDims, recordBytes, SceneRecord } from "./record";

/**
 * Prepared scenes on disk, one folder for each way of preparing a data set: `index.json`, and one file a scene,
 * `<scene>-<key>.bin`, where the key identifies what was read. A scene's file is never changed: one that is prepared
 * anew gets another name.
 *
 *     magic "S2SCENES" | uint32 version | uint32 length of the head | head (JSON, padded to 8 bytes)
 *     | record (see record.ts) | uint16[objects + proposals, pool, N] pixels of each patch inside each box
 */
export const cacheVersion = 3;

const magic = "S2SCENES";
const prefixBytes = 16;

const box = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]).readonly();

/** What is known of one prepared scene beside its numbers: the head of its file. */
const SceneHead = z.strictObject({
  id: z.string(),
  /** Identifies how it was prepared and from what. */
  key: z.string(),
  /** The files that it was prepared from (`sceneFingerprints`). */
  sources: z.strictObject({ scan: z.string(), proposals: z.string(), parts: z.record(z.string(), z.string()) }),
  frames: z.array(z.string()),
  /** Frames that are not looked at: without a finite pose, or damaged. */
  skippedFrames: z.int(),
  /** Those among them that could not be read. */
  damaged: z.array(z.string()),
  objects: z.array(z.strictObject({ id: z.int(), label: z.string(), box })),
  proposals: z.array(z.strictObject({ box, label: z.string().optional(), score: z.number().optional() })),
});
export type SceneHead = Readonly<z.output<typeof SceneHead>>;

/** A head and where the record begins in its file. */
const CachedScene = SceneHead.extend({ record: z.int() });
export type CachedScene = Readonly<z.output<typeof CachedScene>>;

const Index = z.strictObject({
  version: z.literal(cacheVersion),
  dataFingerprint: z.string(),
  /** Ids of the scenes of each split, in the order of its list. */
  splits: z.record(z.string(), z.array(z.string()).readonly()),
  scenes: z.array(CachedScene),
});
export type CacheIndex = Readonly<z.output<typeof Index>>;

const indexFile = (folder: string): string => join(folder, "index.json");
export const sceneFile = ({ id, key }: Pick<SceneHead, "id" | "key">): string => `${id}-${key}.bin`;

/** Writes a prepared scene, whole or not at all. @param counts uint16[objects + proposals, pool, N] */
export function writeScene(folder: string, head: SceneHead, record: SceneRecord, counts: Uint16Array): void {
  const text = Buffer.from(JSON.stringify(head));
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, " ");
  text.copy(padded);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.write(magic, "latin1");
  prefix.writeUInt32LE(cacheVersion, 8);
  prefix.writeUInt32LE(padded.length, 12);
  const numbers = Buffer.from(counts.buffer, counts.byteOffset, counts.byteLength);
  writeFileAtomic(
    join(folder, sceneFile(head)),
    Buffer.concat([prefix, padded, new Uint8Array(record.bytes), numbers]),
  );
}

/** Reads `bytes` bytes from `offset` on. @throws UserError when the file is not there or too short */
function readBytes(path: string, offset: number, bytes: number): ArrayBuffer {
  if (!existsSync(path))
    throw new UserError(
      `${path}: is gone; another command prepared the scene anew or removed it: run this command again`,
    );
  const file = openSync(path, "r");
  try {
    const out = new Uint8Array(bytes);
    const got = readSync(file, out, 0, bytes, offset);
    if (got !== bytes)
      throw new UserError(`${path}: expected ${bytes} bytes at ${offset}, got ${got}; delete it to prepare it again`);
    return out.buffer;
  } finally {
    closeSync(file);
  }
}

/** Bytes from a scene's record to the end of its file. */
const numbersOf = ({ objects, proposals }: SceneHead, dims: RecordDims): number =>
  recordBytes(dims) + (objects.length + proposals.length) * dims.pool * dims.N * 2;

/** Whether a scene's file is there, from its first byte to its last. */
export function isWhole(folder: string, scene: CachedScene, dims: RecordDims): boolean {
  return bytesIn(join(folder, sceneFile(scene))) === scene.record + numbersOf(scene, dims);
}

/** What a scene's file says of itself; undefined when there is none, or not a whole one of this version. */
export function readScene(
  folder: string,
  scene: Pick<SceneHead, "id" | "key">,
  dims: RecordDims,
): CachedScene | undefined {
  const path = join(folder, sceneFile(scene));
  if (!existsSync(path)) return undefined;
  try {
    const prefix = Buffer.from(readBytes(path, 0, prefixBytes));
    if (prefix.toString("latin1", 0, 8) !== magic || prefix.readUInt32LE(8) !== cacheVersion) return undefined;
    const length = prefix.readUInt32LE(12);
    const head = SceneHead.parse(JSON.parse(Buffer.from(readBytes(path, prefixBytes, length)).toString()));
    const found = { ...head, record: prefixBytes + length };
    return head.id === scene.id && head.key === scene.key && isWhole(folder, found, dims) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The index of a folder of prepared scenes; "other version" when other code wrote it, undefined when there is none. */
export function readIndex(folder: string): CacheIndex | "other version" | undefined {
  if (!existsSync(indexFile(folder))) return undefined;
  try {
    return Index.parse(JSON.parse(readFileSync(indexFile(folder), "utf8")));
  } catch {
    return "other version";
  }
}

export function writeIndex(folder: string, index: CacheIndex): void {
  writeFileAtomic(indexFile(folder), JSON.stringify(index));
}

export type ProposalSource = S2Config["data"]["proposals"];

/** One prepared scene; its arrays are read when they are asked for. Views are positions in the pool. */
export class PreparedScene {
  #record: SceneRecord | undefined;

  constructor(
    readonly entry: CachedScene,
    private readonly cache: SceneCache,
  ) {}

  get id(): string {
    return this.entry.id;
  }

  /** Candidate boxes, metres, in the order of the scores. */
  boxes(source: ProposalSource): readonly Box[] {
    return (source === "gt" ? this.entry.objects : this.entry.proposals).map((o) => o.box);
  }

  get record(): SceneRecord {
    const { dims } = this.cache;
    return (this.#record ??= new SceneRecord(dims, this.#read(this.entry.record, recordBytes(dims))));
  }

  /** Forgets the record; it is read again when asked for. */
  release(): void {
    this.#record = undefined;
  }

  #read(offset: number, bytes: number): ArrayBuffer {
    return readBytes(join(this.cache.folder, sceneFile(this.entry)), offset, bytes);
  }

  /** int32[O, V*N] pixels of each patch of the given views that lie inside each candidate box. */
  patchCounts(source: ProposalSource, views: readonly number[]): Int32Array {
    const { dims } = this.cache;
    const { pool, N } = dims;
    const count = this.boxes(source).length;
    const first = source === "gt" ? 0 : this.entry.objects.length;
    const all = new Uint16Array(
      this.#read(this.entry.record + recordBytes(dims) + first * pool * N * 2, count * pool * N * 2),
    );
    const out = new Int32Array(count * views.length * N);
    for (let o = 0; o < count; o++) {
      views.forEach((view, v) => {
        const from = (o * pool + view) * N;
        out.set(all.subarray(from, from + N), (o * views.length + v) * N);
      });
    }
    return out;
  }
}

/** An open folder of prepared scenes. */
export class SceneCache {
  readonly #splits: ReadonlyMap<string, readonly PreparedScene[]>;

  constructor(
    readonly folder: string,
    readonly index: CacheIndex,
    readonly dims: RecordDims,
  ) {
    const scenes = new Map(index.scenes.map((entry) => [entry.id, new PreparedScene(entry, this)]));
    this.#splits = new Map(
      Object.entries(index.splits).map(([split, ids]) => [split, ids.map((id) => scenes.get(id)!)]),
    );
  }

  scenes(split: string): readonly PreparedScene[] {
    const scenes = this.#splits.get(split);
    if (scenes === undefined)
      throw new UserError(
        `prepared scenes ${this.folder}: no split "${split}"; known: ${[...this.#splits.keys()].join(", ")}`,
      );
    return scenes;
  }
}
