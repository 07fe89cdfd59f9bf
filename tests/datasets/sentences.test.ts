import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readLabelMap, scanReferTable } from "../../lib/datasets/label-map";
import { readProcessed } from "../../lib/datasets/processed";
import { comparePublished } from "../../lib/datasets/published";
import { readReferIt3D } from "../../lib/datasets/referit3d";
import { readScanRefer } from "../../lib/datasets/scanrefer";
import { readSentences, sentenceFile } from "../../lib/datasets/sentences";
import { classesOf } from "../../lib/eval/score";
import { isEasy, isViewDependent, multipleTargets, scanReferClasses } from "../../lib/eval/splits";
import { dataFolder, objects, writeScan } from "../setup/formats/scan";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());

describe("ReferIt3D's filters", () => {
  const head = "stimulus_id,scan_id,instance_type,target_id,utterance,tokens,mentions_target_class";
  const row = (n: number, tokens: number, mentions: string): string =>
    `scene0525_00-plant-2-${n}-9,scene0525_00,plant,${n},words,"[${Array(tokens).fill("'w'").join(", ")}]",${mentions}`;
  const file = (): string =>
    data.file("nr3d.csv", [head, row(1, 24, "True"), row(2, 25, "True"), row(3, 5, "False"), ""].join("\n"));
  const targets = (filters: Parameters<typeof readReferIt3D>[3]): number[] =>
    readReferIt3D(file(), "nr3d", undefined, filters).map((q) => q.targetId);

  test("are off by default, and each may be asked for", () => {
    expect(targets({})).toEqual([1, 2, 3]);
    expect(targets({ mentionsTargetClass: true })).toEqual([1, 2]);
    expect(targets({ maxTokens: 24 })).toEqual([1, 3]);
    expect(targets({ mentionsTargetClass: true, maxTokens: 24 })).toEqual([1]);
  });

  test("a sentence keeps its name whatever is filtered", () => {
    expect(readReferIt3D(file(), "nr3d", undefined, { maxTokens: 24 }).map((q) => q.id)).toEqual([
      "scene0525_00|1|nr3d-0",
      "scene0525_00|3|nr3d-2",
    ]);
  });

  test("need their column", () => {
    data.file("x.csv", `${head}\n${row(1, 3, "yes")}\n`);
    expect(() => readReferIt3D(`${data.folder}/x.csv`, "nr3d", undefined, { mentionsTargetClass: true })).toThrow(
      'x.csv: row 2: mentions_target_class must be True or False for its filter, got "yes"',
    );
  });

  test("broken quotes are named, not read as something else", () => {
    const path = data.file("q.csv", `${head}\n${row(1, 3, "True").replace('"[', "[")}\n`);
    expect(() => readReferIt3D(path, "nr3d")).toThrow(UserError);
    expect(() => readReferIt3D(path, "nr3d")).toThrow(
      "q.csv: line 2: a quote stands inside a value; download the file again",
    );
  });
});

test("a scene id in ScanRefer's file leads nowhere", () => {
  const path = data.file("a.json", [
    { scene_id: "../../x", object_id: "1", object_name: "chair", ann_id: "0", description: "a" },
  ]);
  expect(() => readScanRefer(path)).toThrow(
    'a.json: annotation 0: scene id must be letters, digits, _ and - such as scene0011_00, got "../../x"',
  );
});

describe("the authors' samples", () => {
  const labels = (): string[] => ["office chair", "trash can", "office chair"];
  const sample = {
    id: 0,
    video: `scannet/${id}`,
    box: [1, 0.5, 0.5, 0.5, 0.5, 1],
    conversations: [
      {
        from: "human",
        value:
          "<image>Identify the object according to the following description.\nThe chair near the door.\nIt is blue.",
      },
      { from: "gpt", value: "The office_chair is located at <ground> in global coordinates." },
    ],
    metadata: { dataset: "scanrefer", question_type: "multiple", ann_id: "3", object_id: "2" },
  };

  test("of ScanRefer", () => {
    expect(readProcessed(data.file("a.json", [sample]), labels)).toEqual([
      {
        id: `${id}|2|scanrefer-3`,
        dataset: "scanrefer",
        sceneId: id,
        targetId: 2,
        category: "office chair",
        description: "The chair near the door.\nIt is blue.",
        tokens: ["the", "chair", "near", "the", "door", ".", "it", "is", "blue", "."],
        anchorIds: [],
        anchorWords: [],
        sameClass: 2,
      },
    ]);
  });

  test("of Nr3D, with its remark, and of Video-3D-LLM, whose answer names no class", () => {
    const nr3d = {
      ...sample,
      metadata: { dataset: "nr3d", question_type: "hard", view_dep: true, object_id: 1 },
      conversations: [
        {
          value:
            "<image>\nIdentify the object according to the following description.\nThe bin\nThere may be no " +
            "corresponding object, or there may be one or more objects.",
        },
        { value: "<ground>" },
      ],
    };
    const [query] = readProcessed(data.file("a.json", [nr3d]), labels);
    expect(query).toMatchObject({
      id: `${id}|1|nr3d-0`,
      dataset: "nr3d",
      description: "The bin",
      category: "trash can",
      sameClass: 1,
    });
    expect(readProcessed(data.file("a.json", [nr3d]), labels, new Set())).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ["no list", {}, "a.json: Invalid input: expected array, received object"],
    [
      "another task",
      [{ ...sample, metadata: { ...sample.metadata, dataset: "scan2cap" } }],
      "a.json: sample 0: metadata.dataset:",
    ],
    ["one turn", [{ ...sample, conversations: sample.conversations.slice(1) }], "a.json: sample 0: conversations:"],
    [
      "no description",
      [{ ...sample, conversations: [{ value: "<image>Identify it." }, { value: "<ground>" }] }],
      "sample 0: its first turn has no description below the instruction",
    ],
    [
      "an unknown object",
      [{ ...sample, metadata: { ...sample.metadata, object_id: 3 } }],
      `sample 0: object_id must be one of the objects 0 to 2 of ${id}, got "3"`,
    ],
    [
      "a scene elsewhere",
      [{ ...sample, video: "scannet/../../x" }],
      'sample 0: scene id must be letters, digits, _ and - such as scene0011_00, got "../../x"',
    ],
  ])("with %s are refused", (_, content, message) => {
    const path = data.file("a.json", content);
    expect(() => readProcessed(path, labels)).toThrow(UserError);
    expect(() => readProcessed(path, labels)).toThrow(message);
  });

  test("are found in a data folder, and take labels from the scans", async () => {
    await writeScan(data.folder);
    data.file("scannetv2_val.txt", `${id}\n`);
    data.file("processed/scanrefer_vg_val_llava_style.json", [sample, { ...sample, video: "scannet/scene0012_00" }]);
    expect(readSentences(data.folder, "scanrefer", "val").map((q) => [q.sceneId, q.sameClass])).toEqual([[id, 2]]);
  });
});

test("Nr3D reads the same from its csv as from the authors' samples: words, splits and targets", async () => {
  await writeScan(data.folder);
  data.file("scannetv2_val.txt", `${id}\n`);
  // [target, sentence, words as ReferIt3D's csv lists them]
  const said = [
    [0, "The chair on the left, near the door.", "the chair on the left , near the door ."],
    [1, "the bin that's behind the desk", "the bin that 's behind the desk"],
    [2, "Facing the window: the chair to the right.", "facing the window : the chair to the right ."],
    [2, "the right-most chair in the corner", "the right-most chair in the corner"],
    [1, "Not the chairs (front).", "not the chairs ( front ) ."],
  ] as const;
  const named = objects.map(({ label }) => label.replace(" ", "_"));
  const alike = (target: number): number[] => named.flatMap((n, i) => (n === named[target] && i !== target ? [i] : []));
  const rows = said.map(([target, text, words]) => {
    const stimulus = [id, named[target], alike(target).length + 1, target, ...alike(target)].join("-");
    const tokens = words.split(" ").map((word) => (word.includes("'") ? `""${word}""` : `'${word}'`));
    return `${stimulus},${id},${named[target]},${target},"${text}","[${tokens.join(", ")}]"`;
  });
  data.file("nr3d.csv", ["stimulus_id,scan_id,instance_type,target_id,utterance,tokens", ...rows].join("\n"));
  const fromCsv = readSentences(data.folder, "nr3d", "val");
  rmSync(join(data.folder, "nr3d.csv"));
  data.file(
    "processed/nr3d_val_llava_style.json",
    said.map(([target, text]) => ({
      video: `scannet/${id}`,
      conversations: [
        {
          value:
            `<image>Identify the object according to the following description.\n${text}\nThere may be no ` +
            "corresponding object, or there may be one or more objects.",
        },
        { value: `The ${named[target]} is located at <ground> in global coordinates.` },
      ],
      metadata: { dataset: "nr3d", object_id: target },
    })),
  );
  const fromJson = readSentences(data.folder, "nr3d", "val");
  const seen = (queries: typeof fromCsv): unknown[] =>
    queries.map((q) => [q.targetId, q.category, q.description, q.tokens, q.sameClass, isViewDependent(q.tokens)]);
  expect(seen(fromJson)).toEqual(seen(fromCsv));
  expect(fromCsv.map(({ tokens }) => tokens)).toEqual(said.map(([, , words]) => words.split(" ")));
  expect(fromCsv.map(({ tokens }) => isViewDependent(tokens))).toEqual([true, true, true, false, true]);
  expect(fromCsv.map(({ sameClass }) => isEasy(sameClass))).toEqual([true, true, true, true, true]);
});

describe("where sentences lie", () => {
  const csv = (scenes: readonly string[]): string =>
    ["stimulus_id,scan_id,instance_type,target_id,utterance,tokens"]
      .concat(scenes.map((s) => `${s}-plant-1-4,${s},plant,4,a plant,"['a', 'plant']"`))
      .join("\n");

  test("one csv is divided by the official lists, and files of one split come first", () => {
    data.file("scannetv2_train.txt", "scene0001_00\nscene0002_00\n");
    data.file("scannetv2_val.txt", "scene0011_00\n");
    data.file("sr3d.csv", csv(["scene0011_00", "scene0001_00", "scene0001_00", "scene0700_00"]));
    const scenes = (split: "train" | "val"): string[] =>
      readSentences(data.folder, "sr3d", split).map((q) => q.sceneId);
    expect([scenes("train"), scenes("val")]).toEqual([["scene0001_00", "scene0001_00"], ["scene0011_00"]]);
    data.file("sr3d_test.csv", csv(["scene0011_00", "scene0011_00"]));
    expect(scenes("val").length).toBe(2);
    expect(sentenceFile(data.folder, "sr3d", "train")).toMatch(/sr3d\.csv$/);
  });

  test("says where it looked, and needs the list", () => {
    expect(() => readSentences(data.folder, "nr3d", "val")).toThrow(
      "has no sentences of nr3d (val); put nr3d_test.csv, or nr3d.csv, or processed",
    );
    data.file("nr3d.csv", csv(["scene0011_00"]));
    expect(() => readSentences(data.folder, "nr3d", "val")).toThrow(
      "scannetv2_val.txt is missing: expected a list of scene ids, one a line; take ScanNet's official list",
    );
  });
});

describe("the label map", () => {
  const tsv = [
    "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class",
    "1\twall\twall\t8277\t1\t12\twall\twall",
    "4\toffice chair\tchair\t595\t5\t4\tchair\tchair",
    "7\tchair\tchair\t4646\t5\t4\tchair\tchair",
    "13\tstuffed animal\tstuffed animal\t12\t40\t7\t\totherprop",
    "28\tshower curtain\tshower curtain\t5\t28\t7\t\tshower curtain",
    "",
  ].join("\r\n");

  test("raw categories, NYU40 and ids", () => {
    const map = readLabelMap(data.file("l.tsv", tsv));
    expect([map.nyu40Id.get("office chair"), map.nyu40Class.get("stuffed animal"), map.categoryOfId.get(4)]).toEqual([
      5,
      "otherprop",
      "chair",
    ]);
    expect(scanReferTable(map)).toEqual({
      wall: 17,
      "office chair": 2,
      chair: 2,
      "stuffed animal": 17,
      "shower curtain": 13,
    });
  });

  test("unique and multiple as ScanRefer and as the released code decide", () => {
    const path = data.file("l.tsv", tsv);
    const target = (
      objectId: string,
      objectName: string,
    ): { sceneId: string; objectId: string; objectName: string } => ({ sceneId: id, objectId, objectName });
    const targets = [
      target("1", "office_chair"),
      target("2", "chair"),
      target("2", "chair"),
      target("3", "shower_curtain"),
      target("4", "stuffed_animal"),
      target("5", "spaceship"),
    ];
    const expected = [true, true, true, false, true, true];
    expect(multipleTargets(targets, scanReferClasses(scanReferTable(readLabelMap(path))))).toEqual(expected);
    expect(multipleTargets(targets, classesOf(path))).toEqual(expected);
  });

  test.each([
    ["no column", "id\traw_category\n", 'l.tsv: has no column category; its first line is "id\traw_category"'],
    ["nothing", "", "l.tsv: has no column id; its first line is"],
    ["no number", tsv.replace("595\t5", "595\t"), 'l.tsv: line 3: nyu40id must be a whole number, got ""'],
    [
      "a line cut off",
      tsv.slice(0, tsv.indexOf("28\tshower") + 6),
      'l.tsv: line 6: nyu40id must be a whole number, got ""',
    ],
  ])("with %s is refused", (_, text, message) => {
    expect(() => readLabelMap(data.file("l.tsv", text))).toThrow(message);
  });
});

test("counts are compared with the published ones", () => {
  expect(comparePublished("ScanRefer_filtered_val.json", 9508)).toBe("as published by ScanRefer");
  expect(comparePublished("ScanRefer_filtered_val.json", 9500)).toBe(
    "ScanRefer published 9508 sentences: this is another version or a part",
  );
  expect(comparePublished("scannetv2_val.txt", 312)).toBe("as published by ScanNet v2");
  // its owners give hundreds only
  expect(comparePublished("nr3d.csv", 41_503)).toBe("41.5K as published by ReferIt3D");
  expect(comparePublished("nr3d.csv", 37_842)).toBe(
    "ReferIt3D published 41.5K sentences: this is another version or a part",
  );
  expect(comparePublished("sr3d.csv", 83_599)).toBe("83.5K as published by ReferIt3D");
  expect(comparePublished("my.csv", 3)).toBeUndefined();
});
