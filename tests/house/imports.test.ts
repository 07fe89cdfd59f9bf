import { describe, expect, test } from "vitest";
import { findCycle, graphOf, importsOf } from "../setup/imports";
import { projectFiles } from "../setup/project-files";

/** A folder may import from its own row and from the rows above it. */
const rows = [
  ["core"],
  ["config", "geometry", "io", "engine"],
  ["runs", "nn", "datasets"],
  ["model"],
  ["weights"],
  ["dataloader"],
  ["train", "eval"],
  ["parity", "studies"],
  ["report"],
  ["notebook", "bench"],
  ["index.ts", "model-session.ts"],
  ["cli"],
];
const rowOf = new Map(rows.flatMap((folders, row) => folders.map((folder) => [folder, row] as const)));

const sources = projectFiles().filter((path) => /^lib\/.*\.(ts|cjs)$/.test(path));
const imports = sources.flatMap((path) => importsOf(path));
const part = (path: string): string => path.split("/")[1]!;
const backend = "lib/engine/ort/";
const inLib = imports.filter((i) => i.to !== undefined);

describe("lib", () => {
  test("has only the folders of the plan", () => {
    expect([...new Set(sources.map(part))].filter((name) => !rowOf.has(name))).toEqual([]);
  });

  test("imports only from itself and from packages", () => {
    expect(
      inLib.filter((i) => !i.to!.startsWith("lib/") && i.to !== "package.json").map((i) => `${i.from} -> ${i.to}`),
    ).toEqual([]);
  });

  test("imports go one way", () => {
    const wrong = inLib.filter((i) => i.to!.startsWith("lib/") && rowOf.get(part(i.from))! < rowOf.get(part(i.to!))!);
    expect(wrong.map((i) => `${i.from} -> ${i.to}`)).toEqual([]);
  });

  test("folders of one row do not import each other in a circle", () => {
    expect(findCycle(graphOf(inLib.map((i) => [part(i.from), part(i.to!)] as const)))).toBeUndefined();
  });

  test("files do not import each other in a circle, imports of types included", () => {
    expect(findCycle(graphOf(inLib.map((i) => [i.from, i.to!] as const)))).toBeUndefined();
  });

  test("only lib/engine names TensorFlow.js and the backend, and it takes the backend by its package's name", () => {
    const wrong = imports.filter(
      (i) => /^(@tensorflow\/|tfjs-backend-ort(\/|$))/.test(i.specifier) && part(i.from) !== "engine",
    );
    const reachedInto = inLib.filter((i) => i.to!.startsWith(backend) && !i.from.startsWith(backend));
    expect([...wrong, ...reachedInto].map((i) => `${i.from} -> ${i.specifier}`)).toEqual([]);
  });

  test("the backend's package, its tests included, imports nothing of the lab", () => {
    const own = imports.filter((i) => i.from.startsWith(backend));
    const wrong = own.filter((i) => i.specifier.startsWith(".") && i.to?.startsWith(backend) !== true);
    expect(own.length).toBeGreaterThan(100);
    expect(wrong.map((i) => `${i.from} -> ${i.specifier}`)).toEqual([]);
  });

  test("plotly.js, made for browsers, is never imported as a value", () => {
    expect(imports.filter((i) => i.specifier.startsWith("plotly.js") && !i.typeOnly).map((i) => i.from)).toEqual([]);
  });
});

describe("the reader of imports", () => {
  test("finds every kind and tells types from values", () => {
    const text = `
      import { a } from "a";
      import type { b } from "b";
      import { type c } from "c";
      import d, { type d2 } from "d";
      import "e";
      export * from "f";
      export type { g } from "g";
      const h = () => import("h");
      const i = require("i");
      let j: import("j").J;
      // import "comment";
      const text = 'import "text"';
    `;
    expect(importsOf("lib/x.ts", text).map((i) => [i.specifier, i.typeOnly])).toEqual([
      ["a", false],
      ["b", true],
      ["c", true],
      ["d", false],
      ["e", false],
      ["f", false],
      ["g", true],
      ["h", false],
      ["i", false],
      ["j", true],
    ]);
  });

  test("resolves relative imports to project files", () => {
    expect(importsOf("lib/cli/x.ts", 'import "../core/errors"; import "./bootstrap.cjs"').map((i) => i.to)).toEqual([
      "lib/core/errors.ts",
      "lib/cli/bootstrap.cjs",
    ]);
  });

  test("finds a circle and names it", () => {
    expect(
      findCycle(
        graphOf([
          ["a", "b"],
          ["b", "c"],
          ["a", "c"],
        ]),
      ),
    ).toBeUndefined();
    expect(
      findCycle(
        graphOf([
          ["a", "b"],
          ["b", "c"],
          ["c", "b"],
          ["d", "d"],
        ]),
      ),
    ).toEqual(["b", "c", "b"]);
  });
});
