import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import type { Dtype } from "./dtypes";
import { isJsonObject, readJsonObject } from "./json";
import { SafetensorsFile, type StoredTensor, storedSize, type TensorToWrite, writeSafetensors } from "./safetensors";

const WHOLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** Python's pickles run code when they are read, so the lab never reads one. */
const pickled = /\.(?:bin|pth?|ckpt|pkl)$/;

function refusePickle(path: string): UserError {
  const name = basename(path);
  const becomes = name === "pytorch_model.bin" ? WHOLE : name.replace(pickled, ".safetensors");
  return new UserError(
    `${path}: a Python pickle, which can run code and is never read here; convert it where it can be trusted: ` +
      'python -c "import sys,torch,safetensors.torch as s; ' +
      "d=torch.load(sys.argv[1],map_location='cpu',weights_only=True); " +
      `s.save_file({k:v.clone().contiguous() for k,v in d.get('state_dict',d).items()},sys.argv[2])" ${name} ` +
      `${becomes}`,
  );
}

/** Which file holds each tensor of a folder, as its index says. */
function readIndex(path: string): Map<string, string> {
  const { weight_map: map } = readJsonObject(path);
  if (!isJsonObject(map) || Object.keys(map).length === 0)
    throw new UserError(`${path}: expected "weight_map", a file for each tensor; copy it again`);
  return new Map(
    Object.entries(map).map(([name, file]) => {
      // a name with a path in it could reach any file of the machine
      if (
        typeof file !== "string" ||
        file !== basename(file) ||
        file.includes("\\") ||
        !file.endsWith(".safetensors")
      ) {
        throw new UserError(
          `${path}: tensor "${name}" is said to be in ${JSON.stringify(file)}; expected the plain name of a ` +
            ".safetensors file beside the index",
        );
      }
      return [name, file];
    }),
  );
}

interface Files {
  readonly files: readonly string[];
  /** Which file each tensor is said to be in, for shards. */
  readonly index?: ReadonlyMap<string, string>;
}

/** Shards that the index names and that are not there: a download that goes on, or an index of another checkpoint. */
function refuseAbsent(folder: string, index: ReadonlyMap<string, string>, names: readonly string[]): void {
  const named = new Set(index.values());
  const absent = [...named].filter((name) => !names.includes(name)).sort();
  if (absent.length === 0) return;
  const others = names.filter((name) => name.endsWith(".safetensors") && !named.has(name)).sort();
  const few = (list: readonly string[]): string => list.slice(0, 3).join(", ") + (list.length > 3 ? ", …" : "");
  throw new UserError(
    others.length > 0
      ? `${join(folder, INDEX)}: is of another checkpoint: it names ${few(absent)}, ` +
          `and beside it lie ${few(others)}; ` +
          "copy the index that belongs to these files"
      : `${folder}: ${absent.length} of the ${named.size} files that ${INDEX} names are missing (${few(absent)}); ` +
          "copy them too",
  );
}

function filesOf(folder: string): Files {
  const names = readdirSync(folder);
  if (names.includes(INDEX)) {
    if (names.includes(WHOLE))
      throw new UserError(`${folder}: holds ${WHOLE} and ${INDEX}; move away the one that is not meant`);
    const index = readIndex(join(folder, INDEX));
    refuseAbsent(folder, index, names);
    return { files: [...new Set(index.values())].sort().map((name) => join(folder, name)), index };
  }
  if (names.includes(WHOLE)) return { files: [join(folder, WHOLE)] };
  const others = names.filter((name) => name.endsWith(".safetensors"));
  if (others.length > 1)
    throw new UserError(
      `${folder}: ${others.length} .safetensors files (${others.slice(0, 3).join(", ")}…) and no ${INDEX}; add ` +
        "the index, or name one file",
    );
  if (others.length === 1) return { files: [join(folder, others[0]!)] };
  const pickle = names.find((name) => pickled.test(name));
  if (pickle !== undefined) throw refusePickle(join(folder, pickle));
  throw new UserError(`${folder}: neither ${WHOLE} nor ${INDEX} in it; expected a Hugging Face folder`);
}

/**
 * The safetensors of a Hugging Face folder, one file or shards with an index. Headers are read at once, tensors one
 * at a time.
 */
export class TensorFolder {
  /** Type and shape of every tensor by name. */
  readonly tensors: ReadonlyMap<string, { readonly dtype: Dtype; readonly shape: readonly number[] }>;

  private constructor(
    /** The folder, or the one file. */
    readonly path: string,
    private readonly files: readonly SafetensorsFile[],
    private readonly homes: ReadonlyMap<string, SafetensorsFile>,
  ) {
    this.tensors = new Map([...homes].map(([name, file]) => [name, file.entries.get(name)!]));
  }

  /**
   * @param path a folder, or a single .safetensors file
   * @throws UserError when a file is missing or unsound, or when the shards and their index disagree
   */
  static open(path: string): TensorFolder {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined)
      throw new UserError(`${path}: is not there; expected a Hugging Face folder with safetensors`);
    if (!stat.isDirectory() && pickled.test(path)) throw refusePickle(path);
    const { files, index }: Files = stat.isDirectory() ? filesOf(path) : { files: [path] };
    const open: SafetensorsFile[] = [];
    try {
      const homes = new Map<string, SafetensorsFile>();
      for (const file of files) {
        const shard = SafetensorsFile.open(file);
        open.push(shard);
        for (const name of shard.entries.keys()) {
          const other = homes.get(name);
          if (other !== undefined)
            throw new UserError(
              `${file}: tensor "${name}" is in ${basename(other.path)} too; the shards are of two checkpoints, ` +
                "copy them again",
            );
          if (index !== undefined && index.get(name) !== basename(file)) {
            throw new UserError(
              `${file}: holds tensor "${name}", which ${INDEX} puts in ${index.get(name) ?? "no file"}; the ` +
                "shards and the index are of two checkpoints, copy them again",
            );
          }
          homes.set(name, shard);
        }
      }
      for (const [name, file] of index ?? []) {
        if (!homes.has(name))
          throw new UserError(`${join(path, file)}: lacks tensor "${name}", which ${INDEX} puts there; copy it again`);
      }
      return new TensorFolder(path, open, homes);
    } catch (error) {
      for (const file of open) file.close();
      throw error;
    }
  }

  /** The folder that config.json and tokenizer.json lie in. */
  get folder(): string {
    return statSync(this.path).isDirectory() ? this.path : dirname(this.path);
  }

  /** One tensor or some of its rows; half precision becomes float32. @throws UserError when there is no such tensor */
  read(name: string, rows?: readonly [first: number, end: number]): StoredTensor {
    const file = this.homes.get(name);
    if (file === undefined) throw new UserError(`${this.path}: no tensor "${name}" in it`);
    return file.read(name, rows);
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}

/**
 * Writes tensors as shards of about `shardBytes` with their index, as Hugging Face does. The index comes last: a folder
 * without it is not whole.
 */
export function writeTensorFolder(
  folder: string,
  tensors: Iterable<readonly [string, TensorToWrite]>,
  shardBytes: number,
): void {
  const shards: (readonly [string, TensorToWrite])[][] = [];
  let room = 0,
    total = 0;
  for (const item of tensors) {
    const size = storedSize(...item);
    if (shards.length === 0 || size > room) {
      shards.push([]);
      room = shardBytes;
    }
    shards.at(-1)!.push(item);
    room -= size;
    total += size;
  }
  const digits = (n: number): string => String(n).padStart(5, "0");
  const map: Record<string, string> = {};
  shards.forEach((shard, i) => {
    const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    writeSafetensors(join(folder, file), shard, { format: "pt" });
    for (const [name] of shard) map[name] = file;
  });
  writeFileAtomic(
    join(folder, INDEX),
    `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`,
  );
}
