import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { projectFiles, textOf } from "../setup/project-files";

const files = projectFiles();
const texts = files
  .filter((path) => path !== "package-lock.json")
  .flatMap((path) => {
    const text = textOf(path);
    return text === undefined ? [] : [{ path, text }];
  });

/** "path:line: text" of every line that matches. */
function linesWith(pattern: RegExp, among = texts): string[] {
  return among.flatMap(({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

describe("the tree", () => {
  test("has only the planned entries at the top", () => {
    const planned = [
      ".ci",
      ".editorconfig",
      ".gitignore",
      ".npmrc",
      "biome.json",
      "CHANGELOG.md",
      "CITATION.cff",
      "CONTRIBUTING.md",
      "LICENSE",
      "LOG.md",
      "README.md",
      "data",
      "figures",
      "lib",
      "notebooks",
      "package-lock.json",
      "package.json",
      "tests",
      "tsconfig.json",
    ];
    expect([...new Set(files.map((path) => path.split("/")[0]!))].filter((name) => !planned.includes(name))).toEqual(
      [],
    );
  });

  test("has no file named utils or helpers in lib", () => {
    expect(files.filter((path) => /^lib\/(.*\/)?(utils?|helpers?)(\.|\/|$)/.test(path))).toEqual([]);
  });

  test("names its files in kebab case", () => {
    const sources = files.filter((path) => /^(lib|tests)\/.*\.(ts|mts|cjs)$/.test(path));
    expect(sources.filter((path) => !/^[a-z0-9./-]+$/.test(path))).toEqual([]);
  });
});

describe("the texts", () => {
  test("name no folder of one machine", () => {
    expect(linesWith(/(^|[^\w.~}-])\/(?:home|root|Users|work)\/\w/)).toEqual([]);
  });

  test("name no package registry's host", () => {
    const lock = { path: "package-lock.json", text: textOf("package-lock.json")! };
    expect(linesWith(/registry\.(?:npmjs|yarnpkg|npmmirror)|deb\.debian/, [...texts, lock])).toEqual([]);
    // an address of any host in the lock file would tie installs to it
    const { packages } = JSON.parse(lock.text) as { packages: Record<string, { resolved?: string; link?: true }> };
    // a workspace is a link to a folder of the project
    const addressed = Object.entries(packages).filter(
      ([, { resolved, link }]) =>
        resolved !== undefined && !(link === true && files.includes(`${resolved}/package.json`)),
    );
    expect(addressed).toEqual([]);
  });

  test("have no leftover markers", () => {
    const code = texts.filter(({ path }) => /^(lib|tests|\.ci)\//.test(path));
    expect(linesWith(/\b(?:TO[D]O|FIX[M]E|XX[X]|not impl[e]mented|unimpl[e]mented)\b/, code)).toEqual([]);
  });

  test("of the project name files that are there", () => {
    const pages = texts.filter(
      ({ path }) => /^[A-Z]+\.md$|^lib\/.*\.md$/.test(path) && !/^(LOG|CHANGELOG)\.md$/.test(path),
    );
    const named = pages.flatMap(({ path, text }) => {
      const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
      return [...text.matchAll(/`((?:[a-z0-9-]+\/)+[a-z0-9.-]+(?:\.[a-z]+)?)`/g)]
        .map((match) => match[1]!)
        .filter((name) => /^(lib|tests)\//.test(name) || (folder !== "." && /\.\w+$/.test(name)))
        .filter((name) => ![name, `${folder}/${name}`].some((place) => existsSync(inProject(place))))
        .map((name) => `${path}: ${name}`);
    });
    expect(named).toEqual([]);
  });

  test("skip and narrow no test", () => {
    const tests = texts.filter(({ path }) => /^tests\/.*\.ts$/.test(path));
    expect(
      linesWith(/\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:skip|only|todo|fails)\b|\bctx\.skip\(/, tests),
    ).toEqual([]);
  });

  test("take no randomness outside the seeded generator", () => {
    const code = texts.filter(({ path }) => /^lib\/.*\.(ts|cjs)$/.test(path));
    expect(linesWith(/\bMath\.random\(/, code)).toEqual([]);
  });
});
