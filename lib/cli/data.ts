import { readFileSync } from "node:fs";
import { join } from "node:path";
import { merge, parseOverride } from "../config/resolve";
import { UserError, unknownName } from "../core/errors";
import { namesIn, writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import { inEither, inProject } from "../core/root";
import { checkScans, type DataReport } from "../datasets/check";
import { cardText, readControlRows } from "../datasets/rooms/card";
import { type CheckReport, checkData } from "../datasets/rooms/check";
import { RoomsConfig, roomSets } from "../datasets/rooms/config";
import { makeRooms, readManifest } from "../datasets/rooms/make";
import { measureRooms } from "../datasets/rooms/measure";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "data",
  positionals: "make|check [DIR]|card [NAME]",
  about:
    "make: writes S2-Rooms in ScanNet's layout (resumes; a second run does nothing). " +
    "check: opens everything in a data folder, S2-Rooms or real, and says what was recognised, what is missing " +
    "and what is wrong. " +
    "card: measures S2-Rooms and writes its data card; with a name, prints the card of that data set: source, " +
    "terms, layout, size, known defects.",
  options: {
    size: {
      type: String,
      value: "NAME",
      help: `which rooms to make: ${Object.keys(roomSets).join(", ")} (default nano)`,
    },
    folder: { type: String, value: "DIR", help: "data folder (default data/rooms/<size>)" },
    seed: { type: wholeNumber(), value: "N", help: "seed of the rooms (default 0)" },
    set: {
      type: [String],
      value: "PATH=VALUE",

      help: "change the maker's config, such as trainRooms=200",
    },
    workers: { type: wholeNumber(1), value: "N", help: "processes that make rooms (default: one a core)" },
    image: { type: wholeNumber(1), value: "PIXELS", help: "check: side of the images that are read (default 112)" },
    frames: { type: wholeNumber(1), value: "N", help: "card: views a scene in the visibility measurement (default 8)" },
    patch: { type: wholeNumber(1), value: "PIXELS", help: "card: side of a patch (default 14)" },
    control: { type: String, value: "FILE", help: "card: result rows of trained controls, as json" },
    card: {
      type: String,
      value: "FILE",
      help: "card: where it is written (default data/cards/s2-rooms.md, or s2-rooms-<size>.md)",
    },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** The maker's config from a size's name and changes to it. @throws UserError naming the value that is not allowed */
export function roomsConfig(size: string, changes: readonly string[] = [], seed?: number): RoomsConfig {
  if (!Object.hasOwn(roomSets, size)) throw unknownName("size of S2-Rooms", size, Object.keys(roomSets));
  let value: Record<string, unknown> = roomSets[size as keyof typeof roomSets];
  for (const text of changes) value = merge(value, parseOverride(text));
  if (seed !== undefined) value = merge(value, { seed });
  const parsed = RoomsConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(RoomsConfig.shape);
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".") || "top level"}: ${issue.message}`);
  throw new UserError(`rooms config: ${wrong.join("; ")}; known: ${known.join(", ")}`, 2);
}

const wrongLines = (problems: readonly string[]): string[] => [
  ...problems.slice(0, 20).map((p) => `wrong: ${p}`),
  ...(problems.length > 20 ? [`and ${problems.length - 20} more`] : []),
];

function roomsLines(folder: string, report: CheckReport): string[] {
  return [
    `${folder}: ${report.scenes} scenes, ${report.frames} frames with a finite pose, ${report.skippedFrames} ` +
      `without (skipped), ${report.proposalFiles} proposal files`,
    ...Object.entries(report.sentences).map(([name, n]) => `  ${name}: ${n} sentences`),
    ...report.geometry.map((line) => `  ${line}`),
    ...wrongLines(report.problems),
    report.problems.length === 0 ? "nothing is wrong" : `${report.problems.length} problems`,
  ];
}

function scansLines(folder: string, report: DataReport): string[] {
  return [
    `${folder}: ${report.scenes} of ${report.listed} scenes can be used, ${report.frames} frames with a finite ` +
      `pose, ${report.skippedFrames} without (skipped), ` +
      `${report.damagedFrames} damaged, ${report.unaligned} scenes without axis alignment (identity used), ` +
      `${report.proposalFiles} with proposals`,
    ...report.recognised.map((line) => `  ${line}`),
    ...report.missing.map(({ what, todo }) => `missing: ${what}; ${todo}`),
    ...wrongLines(report.problems),
    report.problems.length === 0 ? "nothing is wrong with what is there" : `${report.problems.length} problems`,
  ];
}

const cards = (): string => inEither("data", "cards");

/** The text of a data set's card. @throws UserError for a name without one, with those that are known */
function cardOf(name: string): string {
  const known = namesIn(cards()).map((file) => file.replace(/\.md$/, ""));
  if (!known.includes(name)) throw unknownName("data card", name, known);
  return readFileSync(join(cards(), `${name}.md`), "utf8");
}

/** `s2mllm data`. */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const action = positionals[0];
  // make takes no folder there: it writes into it, and a slip such as "make check" would fill one
  const takesMore = (action === "check" && values.folder === undefined) || action === "card";
  if (positionals.length > (takesMore ? 2 : 1))
    throw wrongUsage(spec, `takes one action, got ${positionals.join(" ")}`);
  if (action === "card" && positionals[1] !== undefined) {
    const text = cardOf(positionals[1]);
    if (values.json === true) printJson({ card: positionals[1], text });
    else printLines([text.trimEnd()]);
    return 0;
  }
  const size = values.size ?? "nano";
  const folder = values.folder ?? positionals[1] ?? inProject("data", "rooms", size);
  const progress = stderrProgress();

  if (action === "make") {
    const config = roomsConfig(size, values.set, values.seed);
    const started = Date.now();
    const manifest = await makeRooms(folder, config, { workers: values.workers, progress });
    const seconds = (Date.now() - started) / 1000;
    const { config: _, ...facts } = manifest;
    if (values.json === true) printJson({ folder, ...facts, seconds });
    else {
      printLines([
        `${folder}: ${facts.rooms.train} training rooms with ${facts.sentences.train} sentences, ` +
          `${facts.rooms.val} test rooms with ${facts.sentences.val} (${seconds.toFixed(1)} s)`,
        `fingerprint ${facts.fingerprint}`,
      ]);
    }
    return 0;
  }

  if (action === "check") {
    const image = values.image ?? 112;
    if (readManifest(folder) !== undefined) {
      const report = await checkData(folder, image, progress);
      const ok = report.problems.length === 0;
      if (values.json === true) printJson({ folder, ok, ...report });
      else printLines(roomsLines(folder, report));
      return ok ? 0 : 1;
    }
    const report = await checkScans(folder, image, progress);
    const ok = report.problems.length === 0 && report.listed > 0 && report.scenes === report.listed;
    if (values.json === true) printJson({ folder, ok, ...report });
    else printLines(scansLines(folder, report));
    return ok ? 0 : 1;
  }

  if (action === "card") {
    const manifest = readManifest(folder);
    if (manifest === undefined)
      throw new UserError(`${folder} holds no finished S2-Rooms (no rooms.json); run "s2mllm data make" first`);
    const facts = await measureRooms(folder, values.frames ?? 8, values.patch ?? 14);
    const control = values.control === undefined ? [] : readControlRows(values.control);
    const file = values.card ?? join(cards(), size === "nano" ? "s2-rooms.md" : `s2-rooms-${size}.md`);
    writeFileAtomic(file, cardText(facts, control));
    if (values.json === true)
      printJson({ file, kinds: facts.kinds, proposals: facts.proposals, visibility: facts.visibility });
    else printLines([`wrote ${file}`]);
    return 0;
  }

  throw wrongUsage(
    spec,
    action === undefined
      ? "needs an action: make, check or card"
      : `unknown action "${action}"; known: make, check, card`,
  );
}
