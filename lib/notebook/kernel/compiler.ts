import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The parts of TypeScript's watch API that are changed here (the compiler bundled with tslab, 5.0). */
interface Builder {
  getAllDependencies(file: unknown): readonly string[];
}
type Watch = (path: string, ...rest: unknown[]) => { close(): void };
interface WatchHost {
  readFile(path: string, encoding?: string): string | undefined;
  watchFile: Watch;
  watchDirectory: Watch;
  afterProgramCreate?: (builder: Builder) => void;
}
type CreateHost = (roots: unknown, options: Record<string, unknown>, ...rest: unknown[]) => WatchHost;
type ReadConfig = (
  file: string,
  read: (file: string) => string,
) => { config: { compilerOptions: { paths: Record<string, string[]> } } };

const unwatched = { close(): void {} };
/** Packages that only the inside of lib/ uses: their types (2 MB for the browser driver alone) are not read. */
const inner = /\/node_modules\/(playwright-core|protobufjs|sharp|onnxruntime-[a-z]+|@webgpu\/types)\/.*\.d\.[cm]?ts$/;
const bundler = 100; // ts.ModuleResolutionKind.Bundler

/**
 * Makes tslab's bundled compiler suitable for this project. Must run before tslab is loaded.
 *
 * - Cells are checked strictly and packages resolve through their `exports` and the `paths` of the project's own tsconfig.
 * - The types of `lib/` are read (so completion works), but `lib/` is neither checked nor compiled again with every
 *   notebook: stock tslab would run its own older compiler over the whole of it. At run time the import goes to
 *   Node's require, where tsx compiles one file at a time and caches the result.
 * - Files are not watched: a loaded module does not change either, and tslab fails ("pending rebuildTimer") on the next
 *   cell when a file changes under it. After an edit of lib/, restart the kernel.
 */
export function prepareCompiler(root: string): void {
  const path = require.resolve("@tslab/typescript-for-tslab");
  const compiler = require(path) as Record<string, unknown>;
  const createHost = compiler.createWatchCompilerHost as CreateHost;
  const { paths } = (compiler.readConfigFile as ReadConfig)(join(root, "tsconfig.json"), (file) =>
    readFileSync(file, "utf8"),
  ).config.compilerOptions;
  const lib = `${join(root, "lib").replaceAll("\\", "/")}/`;

  const adapted: CreateHost = (roots, options, ...rest) => {
    const host = createHost(
      roots,
      { ...options, strict: true, moduleResolution: bundler, types: ["node"], baseUrl: root, paths },
      ...rest,
    );
    const { watchFile } = host;
    const readFile = host.readFile.bind(host);
    host.readFile = (file, encoding) => (inner.test(file) ? "export {};" : readFile(file, encoding));
    host.watchFile = (file, ...rest) =>
      /\/__(tslab__|prev__\.d)\.ts$/.test(file) ? watchFile(file, ...rest) : unwatched;
    host.watchDirectory = () => unwatched;
    let created: ((builder: Builder) => void) | undefined;
    Object.defineProperty(host, "afterProgramCreate", {
      get: () => (builder: Builder) => {
        const all = builder.getAllDependencies.bind(builder);
        builder.getAllDependencies = (file) => all(file).filter((name) => !name.startsWith(lib));
        created?.(builder);
      },
      set: (callback: (builder: Builder) => void) => (created = callback),
    });
    return host;
  };
  // its exports are read-only getters, so the whole module is replaced by a copy
  require.cache[path]!.exports = { ...compiler, createWatchCompilerHost: adapted };
}
