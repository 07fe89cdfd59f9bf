import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../core/errors";
import { findProgram } from "../../core/programs";
import { finishes, lastLine } from "./process";
import { type Wheel, wheelParts } from "./wheels";

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/** pip's options for a wheel of another Python than its own. */
function pipOptions({ file }: Wheel): string[] {
  const { name, version, python, abi, platforms } = wheelParts(file)!;
  return [
    "--no-deps",
    "--only-binary=:all:",
    "--python-version",
    python.startsWith("cp") ? `${python.slice(2, 3)}.${python.slice(3)}` : "3",
    ...["--implementation", python.slice(0, 2), "--abi", abi],
    ...platforms.flatMap((platform) => ["--platform", platform]),
    `${name}==${version}`,
  ];
}

/** A Python that has pip: S2_PYTHON, else the one on PATH. @throws UserError naming the files otherwise */
async function findPip(wheels: readonly Wheel[]): Promise<string> {
  const named = process.env.S2_PYTHON || undefined;
  for (const name of named === undefined ? ["python3", "python"] : [named]) {
    const python = findProgram([name]);
    if (python !== undefined && (await finishes(python, ["-m", "pip", "--version"])).status === 0) return python;
  }
  throw new UserError(
    `no pip${named === undefined ? "" : ` in ${named} (S2_PYTHON)`}; install it ` +
      "(Debian: apt-get install python3-pip), or fetch these wheels elsewhere and name them with --from: " +
      wheels.map(({ file }) => file).join(", "),
  );
}

/**
 * Checks a wheel's name, length and hash.
 *
 * @throws UserError saying what is expected, what came, what to do
 */
export async function checkWheel(path: string, wheel: Wheel): Promise<void> {
  const again = `fetch it again: pip download ${pipOptions(wheel).join(" ")}`;
  const bytes = statSync(path).size;
  if (bytes < wheel.bytes)
    throw new UserError(`${path}: ${bytes} of ${wheel.bytes} bytes, a download that broke off; ${again}`);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const found = hash.digest("hex");
  if (bytes !== wheel.bytes || found !== wheel.sha256)
    throw new UserError(`${path}: its SHA-256 is ${found}, expected ${wheel.sha256}: altered or damaged; ${again}`);
}

/** Why a given file is none of those that are wanted. */
function mismatch(path: string, wheels: readonly Wheel[]): UserError {
  const file = basename(path);
  const given = wheelParts(file);
  if (given === undefined)
    return new UserError(`${path}: no wheel's name; expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl, as pip names them`);
  const meant = wheels.find((wheel) => wheelParts(wheel.file)!.name === given.name);
  // nvidia_cublas and nvidia_cublas_cu12 are one library for two versions of CUDA
  const family = (name: string): string => name.replace(/_cu\d+$/, "");
  const other = wheels.find((wheel) => family(wheelParts(wheel.file)!.name) === family(given.name));
  const wanted = meant ?? other;
  if (wanted === undefined)
    return new UserError(`${path}: not among what this engine is made of: ${wheels.map((w) => w.file).join(", ")}`);
  const parts = wheelParts(wanted.file)!;
  const why =
    meant === undefined
      ? `made for another CUDA (${given.name}, expected ${parts.name})`
      : given.version !== parts.version
        ? `version ${given.version}, expected ${parts.version}`
        : given.platforms.some((platform) => parts.platforms.includes(platform))
          ? `for ${given.python}-${given.abi}, expected ${parts.python}-${parts.abi}`
          : `for ${given.platforms.join(" and ")}, expected ${parts.platforms.join(" or ")}`;
  return new UserError(`${path}: ${why}; fetch it with: pip download ${pipOptions(wanted).join(" ")}`);
}

/** Wheels that the user has: every one that is wanted, nothing else. */
async function takeGiven(from: readonly string[], wheels: readonly Wheel[]): Promise<string[]> {
  const paths = from.flatMap((path) => {
    if (!existsSync(path)) throw new UserError(`--from ${path}: no such file or folder`);
    if (!statSync(path).isDirectory()) return [path];
    // a folder may hold other wheels as well
    return readdirSync(path)
      .filter((name) => wheels.some(({ file }) => file === name))
      .map((name) => join(path, name));
  });
  for (const path of paths) if (!wheels.some(({ file }) => file === basename(path))) throw mismatch(path, wheels);
  const missing = wheels.filter(({ file }) => !paths.some((path) => basename(path) === file));
  if (missing.length > 0)
    throw new UserError(`--from lacks ${missing.map(({ file }) => file).join(", ")}; name all wheels of the engine`);
  return wheels.map(({ file }) => paths.find((path) => basename(path) === file)!);
}

/**
 * Brings an engine's wheels, by pip or from the user's files, and checks them.
 *
 * @param folder where pip puts them
 * @returns their paths, in the order of `wheels`
 * @throws UserError for a wheel of another version, platform or CUDA, for one cut off or altered, and without pip
 */
export async function fetchWheels(
  wheels: readonly Wheel[],
  from: readonly string[] | undefined,
  folder: string,
  say: (line: string) => void,
): Promise<string[]> {
  const paths = from === undefined ? [] : await takeGiven(from, wheels);
  if (from === undefined) {
    const python = await findPip(wheels);
    mkdirSync(folder, { recursive: true });
    for (const wheel of wheels) {
      say(`fetching ${wheel.file} (${megabytes(wheel.bytes)})`);
      const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", folder];
      const { status, text } = await finishes(python, [...args, ...pipOptions(wheel)]);
      const path = join(folder, wheel.file);
      if (status !== 0 || !existsSync(path))
        throw new UserError(
          `pip could not fetch ${wheel.file} (${lastLine(text)}); try again, or name the file with --from`,
        );
      paths.push(path);
    }
  }
  for (const [i, path] of paths.entries()) await checkWheel(path, wheels[i]!);
  return paths;
}
