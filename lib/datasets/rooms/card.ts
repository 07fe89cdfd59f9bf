import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../core/errors";
import { classes, classesOf, classNames, colourNames } from "./classes";
import type { RoomsManifest } from "./make";
import { type RoomsFacts, wordsPerBin } from "./measure";
import { naturalWords } from "./natural";
import { sentencePhrases } from "./phrases";

/** Trained models that must fail where position decides, such as "no-mpe": variant, seed and percent right by kind. */
export const ControlRow = z.looseObject({
  variant: z.string(),
  seed: z.int(),
  /** "gt" unless given. */
  proposals: z.string().optional(),
  metrics: z.looseObject({
    acc25: z.number(),
    byRelation: z.record(z.string(), z.number()).optional(),
    pairAccuracy: z.record(z.string(), z.number()).optional(),
  }),
});
export type ControlRow = z.output<typeof ControlRow>;

/** Reads the rows of a json list or of json lines. @throws UserError naming the row that is not one */
export function readControlRows(file: string): ControlRow[] {
  if (!existsSync(file)) throw new UserError(`${file} is missing: expected result rows as json`);
  const text = readFileSync(file, "utf8").trim();
  let values: unknown;
  try {
    values = JSON.parse(text.startsWith("[") ? text : `[${text.split("\n").join(",")}]`);
  } catch (error) {
    throw new UserError(
      `${file}: not JSON (${(error as Error).message}); expected a list of result rows or one row a line`,
    );
  }
  const parsed = z.array(ControlRow).safeParse(values);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new UserError(`${file}: row ${String(path[0])}: ${path.slice(1).join(".")}: ${message}`);
}

const percent = (x: number | undefined): string => (x === undefined ? "" : (100 * x).toFixed(1));

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)];
}

function frontMatter({ manifest }: RoomsFacts): string[] {
  return [
    "---",
    `name: S2-Rooms (${manifest.name})`,
    "source: made by this project's generator, lib/datasets/rooms; no real scene, image or text went in",
    "terms: Apache-2.0, like the project",
    `size: ${manifest.rooms.train} training rooms with ${manifest.sentences.train} sentences, ` +
      `${manifest.rooms.val} test rooms with ${manifest.sentences.val} sentences`,
    `seed: ${manifest.seed}`,
    `version: ${manifest.version}`,
    `fingerprint: ${manifest.fingerprint}`,
    `config: ${JSON.stringify(manifest.config)}`,
    "---",
  ];
}

function controlSection(rows: readonly ControlRow[]): string[] {
  const kinds = [...new Set(rows.flatMap((r) => Object.keys(r.metrics.byRelation ?? {})))];
  const show = (x: number | undefined): string => (x === undefined ? "" : x.toFixed(1));
  return [
    "## Trained controls",
    "",
    "Models trained on this data set, percent right at IoU 0.25 on the test rooms (in brackets: both sentences " +
      "of a pair right).",
    "",
    ...table(
      ["variant", "boxes", "seed", "all", ...kinds],
      rows.map((r) => [
        r.variant,
        r.proposals === "detector" ? "detector-like" : "ground truth",
        String(r.seed),
        show(r.metrics.acc25),
        ...kinds.map((k) => {
          const pair = r.metrics.pairAccuracy?.[k];
          return `${show(r.metrics.byRelation?.[k])}${pair === undefined ? "" : ` (${show(pair)})`}`;
        }),
      ]),
    ),
    "",
  ];
}

/** The data card, Markdown. Every number comes from `facts` or `control`. */
export function cardText(facts: RoomsFacts, control: readonly ControlRow[] = []): string {
  const { manifest, kinds, proposals, visibility: seen, mix } = facts;
  const { config } = manifest;
  const lost =
    config.lostPoseEvery === 0
      ? "No frame has an infinite pose"
      : `Every ${config.lostPoseEvery}th room has one more frame with an infinite pose`;
  const m = config.margins;
  const relational = (mixed: ReadonlyMap<string, number>): number => 1 - (mixed.get("attribute") ?? 0);
  const ruleRows = kinds.flatMap((k) =>
    Object.entries(k.rules).map(([rule, accuracy]) => [k.kind, rule, percent(accuracy)]),
  );
  return [
    ...frontMatter(facts),
    "",
    "# S2-Rooms",
    "",
    "Synthetic rooms with posed RGB-D frames, object boxes and referring sentences, on disk in ScanNet's, " +
      "ScanRefer's and ReferIt3D's own forms. Made so that position decides: several objects share class and " +
      "colour, and only their place relative to a named anchor tells them apart.",
    "",
    "## What a room is",
    "",
    `- ${facts.objects[0]} to ${facts.objects[2]} objects (${facts.objects[1].toFixed(1)} on average in the ` +
      `test rooms) of ${classNames.length} classes and ${colourNames.length} colours, in rooms with sides of ` +
      `${config.side.join(" to ")} m.`,
    `- 4 or 5 anchors (${classesOf("anchor").join(", ")}), each with its own pair of class and colour; in about ` +
      `${percent(config.anchorPairShare)}% of the rooms two of them share the class.`,
    `- 3 to 5 objects of one target class and 3 or 4 of another (${classesOf("target").join(", ")}), all of a ` +
      "class in one colour, all on the floor. In some rooms 2 or 3 small objects of one class " +
      `(${classesOf("small").join(", ")}) stand on different furniture.`,
    `- One range of heights, ${config.furnitureHeight.join(" to ")} m, for every class on the floor: the height ` +
      "of a box tells nothing about its class.",
    "- Every class has parts and a surface of its own (slats, quilt, books, leaves, ribs, ...) in the object's " +
      "colour and a second tone, so that a patch can tell the class; the place of a pattern tells nothing about " +
      "the place of the object.",
    `- ${config.frames} frames of ${config.image}x${config.image} pixels from a hand-held walk, field of view ` +
      `${config.fieldOfView}°; depth noise ${percent(config.depthNoise)}%, holes ${percent(config.holeBlobs)}% ` +
      `in blobs and ${percent(config.holePixels)}% in single pixels; pose error ${config.poseShift} m and ` +
      `${config.poseTurn}° (standard deviation an axis). ` +
      `${lost} (${facts.framesLost} in the test rooms).`,
    ...special(manifest),
    "- Poses and meshes are stored turned and shifted; `axisAlignment` in `<scene>.txt` brings them upright " +
      "with the middle of the floor at the origin.",
    "",
    "## Layout",
    "",
    "- `scans/<scene>/`: `<scene>.txt`, `.aggregation.json`, `_vh_clean_2.ply`, " +
      "`_vh_clean_2.0.010000.segs.json`, frames in `color/ depth/ pose/ intrinsic/`; `proposals/<scene>.json` " +
      "for test rooms.",
    "- `scannetv2_train.txt`, `scannetv2_val.txt`, `ScanRefer_filtered_train.json`, " +
      "`ScanRefer_filtered_val.json`, `nr3d_train.csv`, `nr3d_test.csv`, `scannetv2-labels.combined.tsv`, and " +
      "`rooms.json`, which marks the folder as synthetic.",
    "",
    "## Sentences",
    "",
    `${facts.distinctSentences} different sentences among the ${manifest.sentences.train || manifest.sentences.val} ` +
      `of the ${manifest.rooms.train === 0 ? "test" : "training"} rooms, ` +
      `${facts.distinctForms} where classes, colours and numbers are not told apart; ` +
      `${facts.wordsPerSentence.toFixed(1)} words and marks on average, made of ` +
      `${config.natural === true ? `${naturalWords.length} words` : `${sentencePhrases.length} phrases`}. ` +
      `Share of each kind (relations: ${percent(relational(mix.train))}% train, ` +
      `${percent(relational(mix.val))}% test):`,
    "",
    ...table(
      ["kind", "train %", "test %", "exactly one answer because"],
      kinds.map((k) => [
        k.kind,
        percent(mix.train.get(k.kind)),
        percent(mix.val.get(k.kind)),
        rulesOfKind(m)[k.kind] ?? "",
      ]),
    ),
    "",
    ...table(
      ["words and marks", ...facts.lengths.map((_, i) => `${wordsPerBin * i} to ${wordsPerBin * i + wordsPerBin - 1}`)],
      [["sentences %", ...facts.lengths.map(percent)]],
    ),
    "",
    "Distances are between box centres in the floor plane. For each room, class and kind of relation the " +
      "answers are drawn uniformly among those that can be reached, and a question with one reachable answer is " +
      "not asked.",
    "",
    `What a sentence asks for or names is shown by at least ${config.shown.frames} of the ${config.frames} ` +
      `frames on ${percent(config.shown.share)}% of the picture or more, and on ` +
      `${percent(config.shown.attributeShare)}% in attribute sentences, which have nothing but the look of ` +
      "the object to go by. Objects that are shown less still count as wrong answers.",
    "",
    "## What can be had without understanding",
    "",
    "Percent right on the test rooms with ground-truth boxes. Anchor-blind bound: one of the objects that a " +
      "sentence of this class and kind could mean; no guess that ignores the anchor is expected to do better. " +
      "Rule oracle: the sentence read by its template (several clauses: by its annotation), with true classes, " +
      "colours and boxes; the set's upper bound. " +
      "Changes: two sentences of one room, class and kind with different anchors have different answers.",
    "",
    ...table(
      [
        "kind",
        "sentences",
        "random object",
        "right class at random",
        "anchor-blind bound",
        "best rule below",
        "rule oracle",
        "answer changes",
        "pairs",
      ],
      kinds.map((k) => {
        const best = Object.values(k.rules).length === 0 ? undefined : Math.max(...Object.values(k.rules));
        return [
          k.kind,
          String(k.n),
          percent(k.randomObject),
          percent(k.classOracle),
          percent(k.anchorBlindBound),
          percent(best),
          percent(k.ruleOracle),
          percent(k.changes),
          String(k.pairs),
        ];
      }),
    ),
    "",
    "Rules that know class and kind but not the anchor:",
    "",
    ...table(["kind", "rule", "percent right"], ruleRows),
    "",
    "## Detector-like proposals (test rooms)",
    "",
    `${percent(config.detector.miss)}% of the objects missed, centres off by ${config.detector.centre} m or 4% ` +
      `of the edge, edges by ${percent(config.detector.logSize)}%, ${percent(config.detector.duplicate)}% found ` +
      `twice, ${config.detector.falsePositives.join(" to ")} boxes that are no object.`,
    "",
    ...table(
      [
        "proposals a room",
        "upper bound Acc@.25",
        "upper bound Acc@.5",
        "random Acc@.25",
        "right class at random Acc@.25",
      ],
      [
        [
          proposals.perScene.toFixed(1),
          percent(proposals.upper25),
          percent(proposals.upper50),
          percent(proposals.random25),
          percent(proposals.classOracle25),
        ],
      ],
    ),
    "",
    "## Visibility",
    "",
    `In ${facts.views} uniformly sampled frames of the test rooms (${seen.objects} objects, measured depth ` +
      `pixels inside the object's box, patches of ${facts.patch}x${facts.patch} pixels):`,
    "",
    ...table(
      ["at least 20 pixels", "a patch more than 50% inside", "a patch at least 5% inside"],
      [[percent(seen.seen), percent(seen.patch50), percent(seen.patch5)]],
    ),
    "",
    ...(control.length === 0 ? [] : controlSection(control)),
    "## Known defects",
    "",
    "Box-shaped furniture, one surface pattern a class, eight colours, one light, no clutter, templated " +
      "English: results here say nothing about ScanNet. All rooms come from one generator, so the test rooms " +
      "measure new rooms, not a new domain.",
    "",
    `Classes in ScanNet's label map (NYU40 numbers): ${classNames.map((c) => `${c} ${classes[c].nyu40}`).join(", ")}.`,
    "",
  ].join("\n");
}

/** What a named set has beside, or in place of, the rest, and what it is for. */
function special({ config, rooms }: RoomsManifest): string[] {
  const { holeShare, walk, splitEvidence, scale, wrongLabels, detector } = config;
  return [
    rooms.train === 0
      ? "To test on alone: nothing trains or is chosen on it."
      : "To train on; its test rooms are for choosing.",
    ...(holeShare === undefined
      ? []
      : [`${percent(holeShare)}% of each depth image is missing, in blobs, in place of the holes above.`]),
    ...(walk === undefined
      ? []
      : [`The frames are taken on ${percent(walk)}% of the way around, so that they overlap.`]),
    ...(splitEvidence === true
      ? ["No frame that shows an answer on 3% of the picture or more, so that its class can be told, shows an anchor."]
      : []),
    ...(scale === undefined
      ? []
      : [`Places, depth, boxes and mesh are ${scale} times as large; the pictures are the same.`]),
    ...(wrongLabels === undefined
      ? []
      : [`${percent(wrongLabels)}% of the sentences with others of the class are annotated with one of these.`]),
    ...(detector.edge === undefined
      ? []
      : [`Proposals are off by ${detector.edge} of the edge, in place of the below.`]),
  ].map((text) => `- ${text}`);
}

function rulesOfKind(m: RoomsManifest["config"]["margins"]): Partial<Record<string, string>> {
  return {
    attribute: "the only object of its class, or of its class and colour",
    closest: `the second is at least ${m.closest} m and ${percent(m.closestShare)}% farther`,
    farthest: `the second is at least ${m.farthest} m and ${percent(m.farthestShare)}% nearer`,
    between:
      `the way from anchor to anchor over the answer is at most ${m.detour} times the straight one, over ` +
      `any other at least ${m.detourGap} more; anchors at least ${m.anchorGap} m apart`,
    support: "the only one of its class that stands on the anchor",
    view:
      `seen from the middle of the room towards the anchor, at least ${m.view} m farther to that side than ` +
      "any other of its class, and in front",
    several:
      "each clause is true or untrue by a margin of everything of the class (near: within 1.3 m, not near: beyond " +
      "1.8 m; far: 2.6 and 2.1 m; taller: by 0.15 m; the others as in other sets), and all together are true of one",
    viewpoint:
      `the only one of its class on that side of who stands at the first anchor and faces the second, by ${m.view} m ` +
      "or more",
  };
}
