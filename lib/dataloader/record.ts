import type { S2Config } from "../config/schema";
import type { Intrinsics } from "../datasets/scene";
import { trainsVision } from "../model/vision";

/** Sizes of everything that is prepared for a scene. */
export interface RecordDims {
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
  /** Pixels without depth count as the camera's centre, as in the release. */
  readonly holesAtCamera?: true;
}

/** Views a scene that evaluation sees. */
export const evaluationFrames = ({ data }: S2Config): number => data.evaluationFrames ?? data.frames;

export function recordDims(config: S2Config): RecordDims {
  const { vision, projector, reconstruction } = config;
  const side = Math.floor(vision.imageSize / vision.patchSize);
  const pooledSide =
    projector.pooling === "bilinear" ? Math.ceil(side / projector.poolStride) : Math.floor(side / projector.poolStride);
  return {
    // as many as the model sees, at least: a draw from fewer would give training other shapes than evaluation
    pool: Math.max(config.data.pool, config.data.frames, evaluationFrames(config)),
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
    ...(config.data.depthHoles === "released" ? { holesAtCamera: true } : {}),
  };
}

/**
 * The frame's pixel, row or column, behind each of a pointmap's: target pixel i of R is frame pixel
 * floor((i + ½)·covered/R), where the patches cover `covered` pixels of the frame. Target and patches so show the same
 * places; pixels that no patch covers are in neither (SigLIP's 384-pixel frames have 27 patches of 14 = 378 pixels).
 */
export function pointmapPixels({ side, patchPixels, pointmap }: RecordDims): Int32Array {
  const covered = side * Math.sqrt(patchPixels);
  return Int32Array.from({ length: pointmap }, (_, i) => Math.floor((i + 0.5) * (covered / pointmap)));
}

/** Places in a view whose world coordinates are kept. */
export const placesOf = (d: RecordDims): number => (d.pooledXyz === true ? d.M : d.N);

const cameraNumbers = 20;

/** Byte offset of each block of a record, and its whole length; float64 first, so that every block is aligned. */
function layoutOf(d: RecordDims) {
  const cameras = 0;
  const features = cameras + d.pool * cameraNumbers * 8;
  const xyz = features + (d.pixels === true ? 0 : d.pool * d.N * d.C * 4);
  const known = xyz + d.pool * placesOf(d) * 3 * 4;
  const rays = known + d.pool * placesOf(d) * 4;
  const depth = rays + d.pool * d.M * 3 * 4;
  const pixels = depth + d.pool * d.pointmap ** 2 * 2;
  const bytes = Math.ceil((pixels + (d.pixels === true ? d.pool * d.image ** 2 * 3 : 0)) / 8) * 8;
  return { cameras, features, xyz, known, rays, depth, pixels, bytes };
}

/** Bytes of one scene's record. */
export const recordBytes = (dims: RecordDims): number => layoutOf(dims).bytes;

/**
 * What is prepared of one scene's views, as one block of bytes. Each method gives the numbers of one view in place: who
 * prepares writes into them, who makes batches reads them. Views are positions in the pool.
 */
export class SceneRecord {
  readonly #layout: ReturnType<typeof layoutOf>;

  constructor(
    readonly dims: RecordDims,
    readonly bytes = new ArrayBuffer(recordBytes(dims)),
  ) {
    this.#layout = layoutOf(dims);
  }

  #floats(offset: number, view: number, length: number): Float32Array {
    return new Float32Array(this.bytes, offset + view * length * 4, length);
  }

  /** float32[N, C] output of the vision tower. @throws Error when colours are kept instead */
  features(view: number): Float32Array {
    const { N, C, pixels } = this.dims;
    if (pixels === true) throw new Error("these prepared scenes keep colours, not features");
    return this.#floats(this.#layout.features, view, N * C);
  }

  /**
   * uint8[image, image, 3] colours of a view whose tower runs in every step.
   *
   * @throws Error when features are kept instead
   */
  pixels(view: number): Uint8Array {
    const { image, pixels } = this.dims;
    if (pixels !== true) throw new Error("these prepared scenes keep features, not colours");
    const size = image ** 2 * 3;
    return new Uint8Array(this.bytes, this.#layout.pixels + view * size, size);
  }

  /**
   * float32[N, 3] mean measured world coordinate of each patch, metres; of each pooled token's cell where φ is added
   * there.
   */
  patchXyz(view: number): Float32Array {
    return this.#floats(this.#layout.xyz, view, placesOf(this.dims) * 3);
  }

  /** float32[N] 1 where the patch (or cell) has measured depth. */
  patchKnown(view: number): Float32Array {
    return this.#floats(this.#layout.known, view, placesOf(this.dims));
  }

  /** float32[M, 3] unit ray directions in the world. */
  rays(view: number): Float32Array {
    return this.#floats(this.#layout.rays, view, this.dims.M * 3);
  }

  /** uint16[R, R] depth in millimetres at the pointmap's pixels; 0 = not measured. */
  depth(view: number): Uint16Array {
    const n = this.dims.pointmap ** 2;
    return new Uint16Array(this.bytes, this.#layout.depth + view * n * 2, n);
  }

  #camera(view: number): Float64Array {
    return new Float64Array(this.bytes, this.#layout.cameras + view * cameraNumbers * 8, cameraNumbers);
  }

  /** Intrinsics of the image and row-major 4x4 camera-to-world pose. */
  camera(view: number): { intrinsics: Intrinsics; pose: Float64Array } {
    const numbers = this.#camera(view);
    return {
      intrinsics: { fx: numbers[0]!, fy: numbers[1]!, cx: numbers[2]!, cy: numbers[3]! },
      pose: numbers.subarray(4),
    };
  }

  setCamera(view: number, { fx, fy, cx, cy }: Intrinsics, pose: ArrayLike<number>): void {
    this.#camera(view).set([fx, fy, cx, cy, ...Array.from(pose)]);
  }
}
