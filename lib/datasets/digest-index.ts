import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors";
import { textIn, writeFileAtomic } from "../core/files";
import { inProject } from "../core/root";
import { contentOf } from "../io/file-digest";
import type { SceneFile } from "./scene-files";

/** Under what a scene's proposals are kept; its scan lies under its id. */
export const proposalKey = (id: string): string => `${id} proposals`;

/** Digest of some files and what they looked like (names, sizes, times) when it was made. */
const Digest = z.strictObject({
  seen: z.string(),
  content: z.string(),
  parts: z.record(z.string(), z.string()),
});
export type Digest = z.infer<typeof Digest>;

/** Raised when a file's content is hashed in another way. */
const VERSION = 1;
const Index = z.strictObject({
  version: z.literal(VERSION),
  folder: z.string(),
  digests: z.record(z.string(), Digest),
});

/** A file that changed this short a time ago may change again without another date, milliseconds. */
const FRESH = 1000;
/** Hashing that took less than this is not worth a file, milliseconds. */
const WORTH_KEEPING = 250;

/**
 * Digests of a data folder's files, kept in data/cache/fingerprints so that a second look asks for sizes and dates
 * alone.
 */
export class DigestIndex {
  readonly #file: string;
  readonly #folder: string;
  readonly #digests: Map<string, Digest>;
  readonly #adopted = new Set<string>();
  #spent = 0;

  /** @param digests in place of those that were kept */
  constructor(folder: string, digests?: Record<string, Digest>) {
    this.#folder = resolve(folder);
    const name = createHash("sha256").update(this.#folder).digest("hex").slice(0, 16);
    this.#file = inProject("data", "cache", "fingerprints", `${name}.json`);
    this.#digests = new Map(Object.entries(digests ?? this.#read()));
  }

  /** What was kept; nothing where there is none, or one that another version wrote or that is damaged. */
  #read(): Record<string, Digest> {
    try {
      const parsed = Index.safeParse(JSON.parse(textIn(this.#file) || "{}"));
      return parsed.success && parsed.data.folder === this.#folder ? parsed.data.digests : {};
    } catch {
      return {};
    }
  }

  /** @throws UserError when a file changes while it is read */
  digest(key: string, files: readonly SceneFile[]): Digest {
    const look = lookAt(files);
    const known = this.#digests.get(key);
    if (known?.seen === look.seen) return known;
    const started = Date.now();
    const digest = { seen: look.seen, ...hashed(look.there) };
    const again = lookAt(files);
    if (again.seen !== look.seen)
      throw new UserError(
        `${files[0]!.path}: files of ${key} changed while they were read; try again when their copying has ended`,
      );
    this.#spent += Date.now() - started;
    if (look.newest < started - FRESH) this.#digests.set(key, digest);
    else this.#digests.delete(key);
    return digest;
  }

  /** Whether these files were hashed before; they may have changed since. */
  has(key: string): boolean {
    return this.#digests.has(key);
  }

  /** Takes over what another process has just hashed. */
  adopt(digests: Readonly<Record<string, Digest>>): void {
    for (const [key, digest] of Object.entries(digests)) {
      this.#digests.set(key, digest);
      this.#adopted.add(key);
    }
    this.#spent = Infinity;
  }

  /** What was taken over, which needs no second look. */
  adopted(key: string): Digest | undefined {
    return this.#adopted.has(key) ? this.#digests.get(key) : undefined;
  }

  /** All that may be kept. */
  digests(): Record<string, Digest> {
    return Object.fromEntries(this.#digests);
  }

  save(): void {
    if (this.#spent < WORTH_KEEPING) return;
    const index: z.infer<typeof Index> = {
      version: VERSION,
      folder: this.#folder,
      digests: this.digests(),
    };
    writeFileAtomic(this.#file, JSON.stringify(index));
    this.#spent = 0;
  }
}

type Present = SceneFile & { readonly size: number };

/** The files that are there, and a digest of their names, sizes and times. */
function lookAt(files: readonly SceneFile[]): { there: Present[]; seen: string; newest: number } {
  const there: Present[] = [];
  let newest = 0;
  let seen = "";
  for (const file of files) {
    const stat = statSync(file.path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) continue;
    const { size, mtimeMs, ctimeMs } = stat;
    newest = Math.max(newest, mtimeMs, ctimeMs);
    seen += `${file.name}\0${size}\0${mtimeMs}\0${ctimeMs}\n`;
    there.push({ ...file, size });
  }
  return { there, seen: createHash("sha256").update(seen).digest("hex").slice(0, 32), newest };
}

function hashed(files: readonly Present[]): Omit<Digest, "seen"> {
  const whole = createHash("sha256");
  const parts: Record<string, number> = {};
  for (const { name, path, part, size } of files) {
    const content = contentOf(path, size);
    whole.update(name).update("\0").update(content).update("\0");
    parts[part] = crc32(content, crc32(name, parts[part] ?? 0));
  }
  return {
    content: whole.digest("hex"),
    parts: Object.fromEntries(Object.entries(parts).map(([part, sum]) => [part, sum.toString(16)])),
  };
}
