import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { Intrinsics } from "../datasets/scene";
import type { Box } from "../geometry/box";
import { trainsVision } from "../model/vision";

/** Sizes of everything that is prepared for a scene. */
export interface CacheDims {
  /** Views a scene. */
  readonly pool: number;
  /** Patches a view and its side. */
  readonly N: number;
  readonly side: number;
  /** Pixels of a patch. */
  readonly patchPixels: number;
  /** Channels of the vision tower. */
  readonly C: number;
  /** Pooled tokens a view and its side. */
  readonly M: number;
  readonly pooledSide: number;
  /** Side of the pointmaps, pixels. */
  readonly pointmap: number;
  /** Side of the image, pixels. */
  readonly image: number;
  /** Colours are kept instead of features: the tower trains, so that it runs in every step. */
  readonly pixels?: true;
  /** Coordinates are those of the pooled tokens' cells instead of the patches'. */
  readonly pooledXyz?: true;
}

export function cacheDims(config: S2Config): CacheDims {
  const { vision, projector, reconstruction } = config;
  const side = Math.floor(vision.imageSize / vision.patchSize);
  const pooledSide =
    projector.pooling === "bilinear" ? Math.ceil(side / projector.poolStride) : Math.floor(side / projector.poolStride);
  return {
    // as many as the model sees, at least: a draw from fewer would give training other shapes than evaluation
    pool: Math.max(config.data.pool, config.data.frames),
    N: side * side,
    side,
    patchPixels: vision.patchSize ** 2,
    C: vision.hiddenSize,
    M: pooledSide * pooledSide,
    pooledSide,
    pointmap: side * reconstruction.patchSize,
    image: vision.imageSize,
    ...(trainsVision(config) ? { pixels: true } : {}),
    ...(config.positions.coordinatesAt === "pooled" ? { pooledXyz: true } : {}),
  };
}

/** Places in a view whose world coordinates are kept. */
export const placesOf = (d: CacheDims): number => (d.pooledXyz === true ? d.M : d.N);

/** Byte layout of one scene's record: cameras, float blocks, depth, colours. */
export interface RecordLayout {
  readonly features: number;
  readonly xyz: number;
  readonly known: number;
  readonly rays: number;
  readonly cameras: number;
  readonly depth: number;
  readonly pixels: number;
  readonly bytes: number;
}

export function recordLayout(d: CacheDims): RecordLayout {
  const cameras = 0; // float64 first, so that every block stays aligned
  const features = cameras + d.pool * 20 * 8;
  const xyz = features + (d.pixels === true ? 0 : d.pool * d.N * d.C * 4);
  const known = xyz + d.pool * placesOf(d) * 3 * 4;
  const rays = known + d.pool * placesOf(d) * 4;
  const depth = rays + d.pool * d.M * 3 * 4;
  const pixels = depth + d.pool * d.pointmap ** 2 * 2;
  const bytes = Math.ceil((pixels + (d.pixels === true ? d.pool * d.image ** 2 * 3 : 0)) / 8) * 8;
  return { cameras, features, xyz, known, rays, depth, pixels, bytes };
}

export interface CachedObject {
  readonly id: number;
  readonly label: string;
  readonly box: Box;
}

/** What the index says of one scene. */
export interface CachedScene {
  readonly id: string;
  readonly frames: readonly string[];
  readonly skippedFrames: number;
  readonly objects: readonly CachedObject[];
  readonly proposals: readonly { readonly box: Box; readonly label?: string; readonly score?: number }[];
  /** Part file, and byte offsets in its records and its membership counts. */
  readonly part: number;
  readonly record: number;
  readonly members: number;
}

export interface CacheIndex {
  readonly key: string;
  readonly dataFingerprint: string;
  readonly dims: CacheDims;
  readonly splits: Readonly<Record<string, readonly CachedScene[]>>;
}

export type ProposalSource = S2Config["data"]["proposals"];

/** One scene with its arrays in memory; views are positions in the pool. */
export class PreparedScene {
  #record: ArrayBuffer | undefined;

  constructor(
    readonly entry: CachedScene,
    private readonly cache: SceneCache,
  ) {}

  get id(): string {
    return this.entry.id;
  }

  /** Candidate boxes, metres, in the order of the scores. */
  boxes(source: ProposalSource): readonly Box[] {
    return source === "gt" ? this.entry.objects.map((o) => o.box) : this.entry.proposals.map((p) => p.box);
  }

  #data(): ArrayBuffer {
    return (this.#record ??= this.cache.readRecord(this.entry));
  }

  /** Forgets the arrays; they are read again when asked for. */
  release(): void {
    this.#record = undefined;
  }

  #block(offset: number, view: number, length: number): Float32Array {
    return new Float32Array(this.#data(), offset + view * length * 4, length);
  }

  /** float32[N, C] output of the vision tower. @throws Error when colours were prepared instead */
  features(view: number): Float32Array {
    const { N, C, pixels } = this.cache.dims;
    if (pixels === true) throw new Error(`prepared scenes ${this.cache.folder}: keep colours, not features`);
    return this.#block(this.cache.layout.features, view, N * C);
  }

  /** uint8[image, image, 3] colours of a view whose tower runs in every step. @throws Error when features were prepared instead */
  pixels(view: number): Uint8Array {
    const { image, pixels } = this.cache.dims;
    if (pixels !== true) throw new Error(`prepared scenes ${this.cache.folder}: keep features, not colours`);
    const size = image ** 2 * 3;
    return new Uint8Array(this.#data(), this.cache.layout.pixels + view * size, size);
  }

  /** float32[N, 3] mean measured world coordinate of each patch, metres; of each pooled token's cell where φ is added there. */
  patchXyz(view: number): Float32Array {
    return this.#block(this.cache.layout.xyz, view, placesOf(this.cache.dims) * 3);
  }

  /** float32[N] 1 where the patch (or cell) has measured depth. */
  patchKnown(view: number): Float32Array {
    return this.#block(this.cache.layout.known, view, placesOf(this.cache.dims));
  }

  /** float32[M, 3] unit ray directions in the world. */
  rays(view: number): Float32Array {
    return this.#block(this.cache.layout.rays, view, this.cache.dims.M * 3);
  }

  /** Intrinsics of the image and row-major camera-to-world pose. */
  camera(view: number): { intrinsics: Intrinsics; pose: Float64Array } {
    const numbers = new Float64Array(this.#data(), this.cache.layout.cameras + view * 160, 20);
    return {
      intrinsics: { fx: numbers[0]!, fy: numbers[1]!, cx: numbers[2]!, cy: numbers[3]! },
      pose: numbers.subarray(4),
    };
  }

  /** uint16[R, R] depth in millimetres at the pointmap's pixels; 0 = not measured. */
  depth(view: number): Uint16Array {
    const n = this.cache.dims.pointmap ** 2;
    return new Uint16Array(this.#data(), this.cache.layout.depth + view * n * 2, n);
  }

  /** int32[O, V*N] pixels of each patch of the given views that lie inside each candidate box. */
  patchCounts(source: ProposalSource, views: readonly number[]): Int32Array {
    const { pool, N } = this.cache.dims;
    const all = this.cache.readMembers(this.entry, source);
    const count = this.boxes(source).length;
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

/** Prepared scenes on disk: read record by record, never as a whole. */
export class SceneCache {
  readonly dims: CacheDims;
  readonly layout: RecordLayout;
  readonly #files = new Map<string, number>();
  readonly #splits = new Map<string, PreparedScene[]>();

  private constructor(
    readonly folder: string,
    readonly index: CacheIndex,
  ) {
    this.dims = index.dims;
    this.layout = recordLayout(index.dims);
    for (const [split, scenes] of Object.entries(index.splits)) {
      this.#splits.set(
        split,
        scenes.map((entry) => new PreparedScene(entry, this)),
      );
    }
  }

  static open(folder: string): SceneCache {
    return new SceneCache(folder, JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as CacheIndex);
  }

  scenes(split: string): readonly PreparedScene[] {
    const scenes = this.#splits.get(split);
    if (scenes === undefined)
      throw new UserError(
        `prepared scenes ${this.folder}: no split "${split}"; known: ${[...this.#splits.keys()].join(", ")}`,
      );
    return scenes;
  }

  #read(name: string, offset: number, bytes: number): ArrayBuffer {
    let file = this.#files.get(name);
    if (file === undefined) this.#files.set(name, (file = openSync(join(this.folder, name), "r")));
    const out = new Uint8Array(bytes);
    const got = readSync(file, out, 0, bytes, offset);
    if (got !== bytes)
      throw new UserError(
        `${join(this.folder, name)}: expected ${bytes} bytes at ${offset}, got ${got}; delete the folder to prepare it again`,
      );
    return out.buffer;
  }

  readRecord(entry: CachedScene): ArrayBuffer {
    return this.#read(`records-${entry.part}.bin`, entry.record, this.layout.bytes);
  }

  readMembers(entry: CachedScene, source: ProposalSource): Uint16Array {
    const size = this.dims.pool * this.dims.N * 2;
    const gt = entry.objects.length * size;
    return source === "gt"
      ? new Uint16Array(this.#read(`members-${entry.part}.bin`, entry.members, gt))
      : new Uint16Array(this.#read(`members-${entry.part}.bin`, entry.members + gt, entry.proposals.length * size));
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }
}
