import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors";
import { namesIn, writeFileAtomic } from "../../core/files";
import { findProgram } from "../../core/programs";

/** A folder that is packed. */
export interface Item {
  /** Beginning of its parts' names. */
  readonly name: string;
  readonly folder: string;
  /** Files and folders in it, by relative paths; all unless given. */
  readonly members?: readonly string[];
  /** Patterns of tar's for what is left out. */
  readonly without?: readonly string[];
  /** Where it is laid out again, relative to the target. */
  readonly into: string;
}

export interface PackedPart {
  readonly file: string;
  readonly bytes: number;
}

const DEBIAN = { tar: "tar", xz: "xz-utils" } as const;

function required(name: keyof typeof DEBIAN): string {
  const found = findProgram([name]);
  if (found === undefined)
    throw new UserError(`gpu pack needs ${name}, which is not on PATH (Debian: apt-get install ${DEBIAN[name]})`);
  return found;
}

/** Writes a stream as files of at most `most` bytes. */
class Parts {
  readonly written: PackedPart[] = [];
  readonly sums: string[] = [];
  #file: number | undefined;
  #left = 0;
  #hash = createHash("sha256");

  constructor(
    private readonly folder: string,
    private readonly stem: string,
    private readonly most: number,
  ) {}

  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#file === undefined) this.#file = this.#open();
      const piece = chunk.subarray(at, at + this.#left);
      writeSync(this.#file, piece);
      this.#hash.update(piece);
      at += piece.length;
      this.#left -= piece.length;
      if (this.#left === 0) this.close();
    }
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    const file = this.#name;
    this.written.push({ file, bytes: this.most - this.#left });
    this.sums.push(`${this.#hash.digest("hex")}  ${file}`);
    this.#hash = createHash("sha256");
  }

  get #name(): string {
    return `${this.stem}.${String(this.written.length).padStart(3, "0")}`;
  }

  #open(): number {
    this.#left = this.most;
    return openSync(join(this.folder, this.#name), "w");
  }
}

/** tar, then xz, then parts. */
async function pack(item: Item, folder: string, most: number): Promise<Parts> {
  const stem = `${item.name}.tar.xz`;
  // unpack.sh joins all parts of this name: none of a longer pack before may be left
  for (const name of namesIn(folder)) if (name.startsWith(`${stem}.`)) rmSync(join(folder, name));
  const parts = new Parts(folder, stem, most);
  const list = item.members ?? ["."];
  const flags = ["--sort=name", "--owner=0", "--group=0", ...(item.without ?? []).map((p) => `--exclude=${p}`)];
  const tar = spawn(required("tar"), [...flags, "-C", item.folder, "-cf", "-", "--null", "-T", "-"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const xz = spawn(required("xz"), ["-6", "-T0", "-c"], { stdio: ["pipe", "pipe", "inherit"] });
  tar.stdout.pipe(xz.stdin);
  let said = "";
  tar.stderr.on("data", (text: Buffer) => (said += text.toString()));
  tar.stdin.end(list.map((path) => `${path}\0`).join(""));
  const ended = Promise.all(
    [tar, xz].map(
      (child) =>
        new Promise<void>((resolve, reject) => {
          child.on("error", reject);
          child.on("close", (status) =>
            status === 0
              ? resolve()
              : reject(new UserError(`${child.spawnfile} failed on ${item.folder}: ${said.trim()}`)),
          );
        }),
    ),
  );
  for await (const chunk of xz.stdout) parts.write(chunk as Buffer);
  await ended;
  parts.close();
  return parts;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The script that lays everything out: it needs sh, tar, sha256sum, and xz or a Python. */
const script = (items: readonly Item[]): string => `#!/bin/sh
# usage: sh unpack.sh FOLDER   checks the parts beside this script and lays them out in FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: sh unpack.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$(dirname "$0")"
sha256sum --quiet -c SHA256SUMS || { echo "a part is missing or damaged: copy it again" >&2; exit 1; }
unxz() {
  if command -v xz >/dev/null; then xz -dc
  else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.stdin.buffer), sys.stdout.buffer)'
  fi
}
lay() {
  mkdir -p "$to/$2"
  cat "$1".tar.xz.* | unxz | tar -xf - -C "$to/$2"
}
${items.map(({ name, into }) => `lay ${quoted(name)} ${quoted(into)}`).join("\n")}
`;

/**
 * Packs folders into parts, with checksums and a script, unpack.sh, that lays them out again.
 *
 * @param most bytes of a part
 * @param after lines of shell that end the script; `$to` is the target
 * @returns the parts
 * @throws UserError without tar or xz
 */
export async function packItems(
  items: readonly Item[],
  folder: string,
  most: number,
  after = "",
): Promise<PackedPart[]> {
  mkdirSync(folder, { recursive: true });
  const written: PackedPart[] = [];
  const sums: string[] = [];
  for (const item of items) {
    const parts = await pack(item, folder, most);
    written.push(...parts.written);
    sums.push(...parts.sums);
  }
  writeFileAtomic(join(folder, "SHA256SUMS"), `${sums.join("\n")}\n`);
  writeFileSync(join(folder, "unpack.sh"), script(items) + after, { mode: 0o755 });
  return written;
}
