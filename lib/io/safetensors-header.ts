import { UserError } from "../core/errors";
import { sizeOf } from "../core/parameters";
import { bytesOf, type Dtype } from "./dtypes";
import { isJsonObject, type JsonObject, parseJsonObject } from "./json";

/** Where one tensor lies in its file. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: number[];
  /** First byte in the file, and the one behind the last. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const natural = (list: unknown): list is number[] =>
  Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);

const unsound =
  (path: string) =>
  (why: string): UserError =>
    new UserError(`${path}: not a sound safetensors file: ${why}`);

function entryOf(path: string, name: string, value: unknown, dataStart: number, fileSize: number): TensorEntry {
  const bad = unsound(path);
  const { dtype, shape, data_offsets: offsets }: JsonObject = isJsonObject(value) ? value : {};
  if (typeof dtype !== "string" || !Object.hasOwn(bytesOf, dtype)) {
    const known = Object.keys(bytesOf).join(", ");
    throw new UserError(
      `${path}: tensor "${name}" has dtype ${JSON.stringify(dtype)}, which the lab does not read (known: ${known}); ` +
        "take a checkpoint without quantisation, or save it as BF16",
    );
  }
  if (!natural(shape)) throw bad(`tensor "${name}" has shape ${JSON.stringify(shape)}; expected a list of sizes`);
  if (!natural(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw bad(`tensor "${name}" has data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  const wanted = sizeOf(shape) * bytesOf[dtype as Dtype];
  if (end - begin !== wanted) {
    throw bad(
      `tensor "${name}" of ${dtype} [${shape.join(", ")}] needs ${wanted} bytes, its data_offsets span ${end - begin}`,
    );
  }
  if (dataStart + end > fileSize) {
    throw bad(
      `tensor "${name}" ends at byte ${dataStart + end}, the file at ${fileSize}; it was cut off, copy it again`,
    );
  }
  return { dtype: dtype as Dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

/**
 * Reads a safetensors header and checks it: known types, sizes that agree with the shapes, tensors that follow each
 * other without overlap or hole up to the end of the file, no name twice.
 *
 * @param bytes the header without its length
 * @throws UserError naming file and tensor
 */
export function parseHeader(path: string, bytes: Uint8Array, dataStart: number, fileSize: number): Header {
  const bad = unsound(path);
  const { __metadata__: stated, ...tensors } = parseJsonObject(bytes, (why) => bad(`its header ${why}`));
  // the format's own library takes null for none
  const metadata = stated ?? {};
  if (!isJsonObject(metadata) || Object.values(metadata).some((v) => typeof v !== "string")) {
    throw bad(`its __metadata__ is ${JSON.stringify(metadata).slice(0, 80)}; expected texts by name`);
  }
  const entries = new Map(
    Object.entries(tensors).map(([name, value]) => [name, entryOf(path, name, value, dataStart, fileSize)]),
  );
  let last = ["", dataStart] as [string, number];
  for (const [name, { begin, end }] of [...entries].sort((a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end)) {
    if (begin < last[1]) throw bad(`tensors "${last[0]}" and "${name}" overlap`);
    if (begin > last[1]) throw bad(`${begin - last[1]} bytes before tensor "${name}" belong to no tensor`);
    last = [name, end];
  }
  if (last[1] !== fileSize) throw bad(`${fileSize - last[1]} bytes at its end belong to no tensor`);
  return { entries, metadata: metadata as Record<string, string> };
}
