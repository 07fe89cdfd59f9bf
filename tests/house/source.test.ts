import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { projectFiles, textOf } from "../setup/project-files";

const files = projectFiles();
const sources = files
  .filter((path) => /^(lib|tests)\/.*\.(ts|mts|cjs|py)$/.test(path) && !path.startsWith("tests/fixtures/"))
  .map((path) => ({ path, lines: textOf(path)!.split("\n") }));

/** "engine/ort" for the backend, a package of its own; else the folder below lib or tests. */
function roomOf(path: string): string {
  const [, room, ort] = path.split("/");
  return room === "engine" && ort === "ort" ? "engine/ort" : room!;
}

const inLibrary = (path: string): boolean => path.startsWith("lib/") && !path.startsWith("lib/engine/ort/tests/");

describe("a source file", () => {
  test("has lines of at most 120 characters", () => {
    const long = sources.flatMap(({ path, lines }) =>
      lines.flatMap((line, i) => (line.length > 120 ? [`${path}:${i + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  test("casts past the type checker in one file a room at most", () => {
    const rooms = new Map<string, string[]>();
    for (const { path, lines } of sources)
      if (inLibrary(path) && lines.some((line) => /\bas unknown as\b/.test(line)))
        rooms.set(roomOf(path), [...(rooms.get(roomOf(path)) ?? []), path]);
    expect([...rooms.values()].filter((files) => files.length > 1)).toEqual([]);
  });

  /** JSON that no schema takes in the same expression, and why that is right. */
  const parsedOtherwise: Readonly<Record<string, string>> = {
    "lib/bench/gpu/parts.ts": "the schema follows, with the part's own message",
    "lib/bench/save.ts": "the schema follows, with the file's own message",
    "lib/cli/kernel.ts": "the project's own kernelspec, printed as it is",
    "lib/config/resolve.ts": "a value of --set: the schema looks at the whole configuration",
    "lib/core/root.ts": "package.json of this very code",
    "lib/datasets/json-file.ts": "what parseJson and parsed are made of",
    "lib/datasets/rooms/card.ts": "the schema follows, with the file's own message",
    "lib/io/json.ts": "what readJsonAs is made of",
    "lib/io/tokenizer.ts": "two schemas follow, the kind of tokenizer first",
    "lib/notebook/display.ts": "a copy of what the lab has just made",
    "lib/notebook/document.ts": "the schema follows, with the file's own message",
    "lib/notebook/kernel/compiler.ts": "a source map that the compiler has just made",
    "lib/notebook/kernel/outbox.ts": "what the kernel's other thread has just made",
    "lib/notebook/kernel/server.ts": "what the kernel's other thread has just made",
    "lib/notebook/parameters.ts": "only whether a value is JSON is asked",
    "lib/notebook/wire.ts": "the schema follows, with the file's own message",
    "lib/runs/answers.ts": "the schema follows, with the file's own message",
  };

  test("lets a schema take every JSON that is read", () => {
    const found = sources
      .filter(({ path }) => inLibrary(path) && path.endsWith(".ts"))
      .filter(({ lines }) =>
        [...lines.join("\n").matchAll(/(.*)JSON\.parse\(/g)].some(
          ([, before]) => !/\.(?:parse|safeParse)\($/.test(before!) && !/^\s*(?:\/\/|\*)/.test(before!),
        ),
      )
      .map(({ path }) => path);
    expect(found.filter((path) => !Object.hasOwn(parsedOtherwise, path))).toEqual([]);
  });

  /** Short, and yet what somebody looks for under this name; index.ts is a folder's surface. */
  const ideas = [
    "lib/cli/main.ts",
    "lib/core/averages.ts",
    // processes of their own
    "lib/datasets/check-worker.ts",
    "lib/datasets/rooms/worker.ts",
    "lib/datasets/words.ts",
    "lib/cli/output.ts",
    "lib/engine/backend.ts",
    "lib/engine/ort/errors.ts",
    "lib/engine/tf.ts",
    "lib/train/losses/language.ts",
    "lib/train/schedule.ts",
  ];

  test("of the library has 20 lines or more, or is a public idea", () => {
    const short = sources.filter(
      ({ path, lines }) => inLibrary(path) && /(?<!\.d)\.ts$/.test(path) && lines.length <= 20,
    );
    expect(
      short.map(({ path }) => path).filter((path) => !path.endsWith("/index.ts") && !ideas.includes(path)),
    ).toEqual([]);
  });
});

/**
 * The file or folder of lib that a test file names: tests/io/zip.test.ts and tests/io/zip.limits.test.ts are about
 * lib/io/zip.ts or the folder lib/io/zip. The backend, a package of its own, has its tests in lib/engine/ort/tests.
 */
function subjectOf(path: string): string | undefined {
  const [, ort, name] = /^(lib\/engine\/ort\/)?tests\/(.*?)(?:\.[a-z0-9-]+)?\.test\.ts$/.exec(path)!;
  const subject = `${ort ?? "lib/"}${name}`;
  return [`${subject}.ts`, `${subject}.cjs`, subject].find((place) => existsSync(inProject(place)));
}

describe("tests/", () => {
  const tests = files.filter((path) => path.endsWith(".test.ts"));
  // about the whole tree, not one file of it
  const apart = /^tests\/(house|setup)\//;

  test("mirrors lib/: a test file names the file or folder that it tests", () => {
    const strays = tests.filter((path) => !apart.test(path));
    expect(strays.filter((path) => subjectOf(path) === undefined)).toEqual([]);
  });

  test("the rule knows files, folders and aspects", () => {
    expect(subjectOf("tests/core/rng.test.ts")).toBe("lib/core/rng.ts");
    expect(subjectOf("tests/cli/bootstrap.test.ts")).toBe("lib/cli/bootstrap.cjs");
    expect(subjectOf("tests/core/rng.draws.test.ts")).toBe("lib/core/rng.ts");
    expect(subjectOf("tests/geometry.test.ts")).toBe("lib/geometry");
    expect(subjectOf("lib/engine/ort/tests/trace/backend.test.ts")).toBe("lib/engine/ort/trace/backend.ts");
    expect(subjectOf("tests/core/dice.test.ts")).toBeUndefined();
  });
});
