import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { parseConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { bytesIn, namesIn } from "../core/files";
import { inProject } from "../core/root";
import { readJsonObject } from "../io/json";
import { adopt, checksum, sync, writeDurable } from "./durable";
import { identityDifferences, RunIdentity, runId, runIdPattern } from "./identity";
import { isLocked, takeLock } from "./lock";
import { changesText, Settings } from "./settings";

const recordFile = "run.json";
const manifestFile = "manifest.json";
const lockFile = "lock";

/** What a run says of itself (run.json), written before its first step. */
export const RunRecord = z.strictObject({
  format: z.literal(1),
  /** `runId(identity)` */
  id: z.string().regex(runIdPattern),
  preset: z.string(),
  variant: z.string(),
  /** What its configuration changes of the variant's own. */
  changes: Settings,
  identity: RunIdentity,
  /** The whole configuration, with paths. */
  config: z.record(z.string(), z.unknown()),
  /** Name of the data set, such as "rooms/nano". */
  data: z.string(),
  synthetic: z.boolean(),
  /** Commit of the code. */
  commit: z.string(),
  begun: z.iso.datetime(),
  /** Failure signatures that its training showed, one sentence each. */
  signatures: z.array(z.string()).optional(),
});
export type RunRecord = z.output<typeof RunRecord>;

const Manifest = z.strictObject({
  /** A training that came to its end. */
  trained: z.strictObject({ steps: z.int().min(1), seconds: z.number().min(0) }),
  /** Every file of the run but this one, by its path in the folder. */
  files: z.record(z.string(), z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
});
type Manifest = z.output<typeof Manifest>;
export type Trained = Manifest["trained"];

/** Folder of all runs: data/runs, or runs/ below the results that S2_RESULTS names. */
export function runsFolder(): string {
  const results = process.env.S2_RESULTS;
  return results === undefined ? inProject("data", "runs") : join(results, "runs");
}

/** How a data set's folder is named in rows and figures, such as "rooms/nano". */
export function dataName(folder: string): string {
  return `${basename(dirname(folder))}/${basename(folder)}`;
}

/** A run in words: "full, training.steps=10, seed 0, nano". */
export function describeRun({ variant, changes, identity, preset }: RunRecord): string {
  return [variant, changesText(changes), `seed ${identity.seed}`, preset].filter((part) => part !== "").join(", ");
}

function parsed<T>(file: string, schema: z.ZodType<T>, remedy: string): T {
  const result = schema.safeParse(readJsonObject(file));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  throw new UserError(`${file}: ${where}${issue.message}; ${remedy}`);
}

/** What the layout before runs had ids kept in a run's folder. */
const oldFiles = ["config.json", "model.safetensors", "adapter", "checkpoint", "metrics.jsonl"];

function isOldLayout(folder: string): boolean {
  return !existsSync(join(folder, recordFile)) && oldFiles.some((name) => existsSync(join(folder, name)));
}

function refuseOldLayout(folder: string): void {
  if (isOldLayout(folder))
    throw new UserError(
      `${folder}: was made before runs had ids (it has no ${recordFile}), so that nothing says which configuration ` +
        "its " +
        "weights belong to; train again into another folder, or remove this one",
    );
}

/**
 * The record of a run's folder.
 *
 * @throws UserError for a folder of the layout before, no run's folder, or a record that is damaged
 */
export function readRecord(folder: string): RunRecord {
  refuseOldLayout(folder);
  const file = join(folder, recordFile);
  if (!existsSync(file))
    throw new UserError(`${folder}: no ${recordFile}; expected the folder of a run (s2mllm train makes one)`);
  const record = parsed(file, RunRecord, "it was changed by hand or by another version; train again");
  if (record.id !== runId(record.identity))
    throw new UserError(
      `${file}: its id ${record.id} is not that of its identity, ${runId(record.identity)}; train again`,
    );
  return record;
}

/** A run's configuration. @throws UserError when today's schema does not take it */
export function recordConfig(record: RunRecord, folder: string): S2Config {
  return parseConfig(record.config, join(folder, recordFile));
}

function readManifest(folder: string): Manifest | undefined {
  const file = join(folder, manifestFile);
  return existsSync(file) ? parsed(file, Manifest, "remove it and train again") : undefined;
}

/** Whether a run's training came to its end. */
export function trainedOf(folder: string): Trained | undefined {
  return readManifest(folder)?.trained;
}

/** Whether a process is writing a run: training or evaluating it. */
export const isBusy = (folder: string): boolean => isLocked(join(folder, lockFile));

/**
 * A file, or a folder's files, of a finished run, compared with the checksums of its manifest.
 *
 * @throws UserError when they differ
 */
export function verified(folder: string, name: string): string {
  const manifest = readManifest(folder);
  if (manifest === undefined)
    throw new UserError(`${folder}: the run's training did not come to its end; run the same command again`);
  const names = Object.keys(manifest.files).filter((file) => file === name || file.startsWith(`${name}/`));
  if (names.length === 0) throw new UserError(`${join(folder, name)}: is not among the files of the run's manifest`);
  for (const file of names) {
    const path = join(folder, file);
    const { bytes, sha256 } = manifest.files[file]!;
    if (bytesIn(path) !== bytes || checksum(path) !== sha256)
      throw new UserError(
        `${path}: is not what the run wrote (${bytes} bytes, SHA-256 ${sha256.slice(0, 12)}…, by ${manifestFile}); ` +
          "copy the run's folder again, or remove it and train again",
      );
  }
  return join(folder, name);
}

/** A run's folder, held by this process until it is closed: everything of a run is written through it. */
export class RunFolder {
  readonly #release: () => void;

  private constructor(
    readonly record: RunRecord,
    readonly path: string,
    release: () => void,
  ) {
    this.#release = release;
  }

  /**
   * Takes a run's folder, a new one or one to go on in.
   *
   * @throws UserError when the folder holds another run (both identities' differences are listed), is of the layout
   * before, or is held by a living process
   */
  static open(record: RunRecord, path = join(runsFolder(), record.id)): RunFolder {
    const folder = resolve(path);
    refuseOldLayout(folder);
    const release = takeLock(join(folder, lockFile), `run ${record.id} (${describeRun(record)})`);
    try {
      if (existsSync(join(folder, recordFile))) {
        const there = readRecord(folder);
        if (there.id !== record.id)
          throw new UserError(
            [
              `${folder}: holds run ${there.id} (${describeRun(there)}), not ${record.id} (${describeRun(record)}); ` +
                "name another folder, or remove this one. They differ in",
              ...identityDifferences(there.identity, record.identity),
            ].join("\n  "),
          );
        return new RunFolder(there, folder, release);
      }
      writeDurable(join(folder, recordFile), `${JSON.stringify(record, null, 2)}\n`);
      return new RunFolder(record, folder, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Path of one of the run's files. */
  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** How the training ended; undefined when it did not, or its weights are gone. */
  get trained(): Trained | undefined {
    const manifest = readManifest(this.path);
    const kept = Object.keys(manifest?.files ?? {}).some((name) => isWeights(name) && existsSync(this.file(name)));
    return kept ? manifest?.trained : undefined;
  }

  /** Keeps what the training shows of the paper's failure signatures in the run's record. */
  keepSignatures(signatures: readonly string[]): void {
    const record: RunRecord = { ...this.record, signatures: [...signatures] };
    writeDurable(join(this.path, recordFile), `${JSON.stringify(record, null, 2)}\n`);
  }

  write(name: string, content: string | Uint8Array): void {
    writeDurable(this.file(name), content);
  }

  /** A file that `write` makes under the name that it is given. */
  adopt(name: string, write: (temporary: string) => void): void {
    adopt(this.file(name), write);
  }

  /** Writes the manifest: from here on the training is finished, and its files are known by their checksums. */
  seal(trained: Trained): void {
    const before = readManifest(this.path)?.files ?? {};
    const files = Object.fromEntries(
      runFiles(this.path).map((name) => {
        const bytes = bytesIn(this.file(name));
        const known = before[name];
        // weights are written once: gigabytes need not be read again when rows are added
        if (known?.bytes === bytes && isWeights(name)) return [name, known];
        sync(this.file(name));
        sync(dirname(this.file(name)));
        return [name, { bytes, sha256: checksum(this.file(name)) }];
      }),
    );
    writeDurable(this.file(manifestFile), `${JSON.stringify({ trained, files } satisfies Manifest, null, 2)}\n`);
  }

  close(): void {
    this.#release();
  }
}

const isWeights = (name: string): boolean => name.endsWith(".safetensors");

/** Files that a manifest names: all but itself, the lock, checkpoints and what is being written. */
function runFiles(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => name.split(sep).join("/"))
    .filter((name) => statSync(join(folder, name)).isFile())
    .filter((name) => name !== manifestFile && name !== lockFile && !name.startsWith("checkpoint"))
    .filter((name) => !/\.(?:tmp|lock|takeover|damaged)$/.test(name))
    .sort();
}

export interface StoredRun {
  readonly record: RunRecord;
  readonly folder: string;
}

const said = new Set<string>();

/** A line on stderr, the first time that it is to be said. */
export function sayOnce(text: string): void {
  if (said.has(text)) return;
  said.add(text);
  process.stderr.write(`${text}\n`);
}

/**
 * The runs of this machine in the order in which they were begun. One whose record is damaged is named and left out.
 */
export function storedRuns(): StoredRun[] {
  const top = runsFolder();
  return namesIn(top)
    .filter((name) => runIdPattern.test(name) && existsSync(join(top, name, recordFile)))
    .flatMap((name): StoredRun[] => {
      try {
        return [{ record: readRecord(join(top, name)), folder: join(top, name) }];
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        sayOnce(`left out: ${error.message}`);
        return [];
      }
    })
    .sort((a, b) => (a.record.begun < b.record.begun ? -1 : a.record.begun > b.record.begun ? 1 : 0));
}

/** Folders below data/runs that the layout before runs had ids left; they are not read. */
export function oldRunFolders(): string[] {
  const top = runsFolder();
  if (!existsSync(top)) return [];
  const below = (folder: string, depth: number): string[] =>
    namesIn(folder)
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isDirectory() && !existsSync(join(path, recordFile)))
      .flatMap((path) => (isOldLayout(path) ? [path] : depth > 0 ? below(path, depth - 1) : []));
  return below(top, 1).map((path) => relative(top, path));
}

/**
 * A run by its id, a unique beginning of it, or its folder.
 *
 * @throws UserError when there is none, or several begin so
 */
export function findRun(text: string): StoredRun {
  const folder = resolve(text);
  if (text !== "" && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true)
    return { record: readRecord(folder), folder };
  const runs = storedRuns();
  const found = text === "" ? [] : runs.filter(({ record }) => record.id.startsWith(text));
  const [one, ...others] = found;
  if (one !== undefined && others.length === 0) return one;
  const list = (some: readonly StoredRun[]): string =>
    some.map(({ record }) => `\n  ${record.id}  ${describeRun(record)}`).join("");
  if (one !== undefined) throw new UserError(`${found.length} runs begin with "${text}":${list(found)}`);
  throw new UserError(
    `"${text}" is neither a run's id, nor the beginning of one, nor the folder of a run` +
      (runs.length === 0
        ? "; this machine has made none yet (s2mllm train makes one)"
        : `; this machine has${list(runs)}`),
  );
}

/** Removes a run and everything of it. @throws UserError when a living process holds it */
export function removeRun({ record, folder }: StoredRun): void {
  const release = takeLock(join(folder, lockFile), `run ${record.id} (${describeRun(record)})`);
  release();
  rmSync(folder, { recursive: true });
}
