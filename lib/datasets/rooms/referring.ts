import { writeCsv } from "../../io/csv";
import type { RelationKind } from "../scene";
import { classes, classNames } from "./classes";
import { words } from "./phrases";
import type { RoomRecord } from "./scan";

/** Sr3D's names for the relations that S2-Rooms has. */
const sr3dTypes: Partial<Record<RelationKind, { readonly reference: string; readonly coarse: string }>> = {
  closest: { reference: "closest", coarse: "horizontal" },
  farthest: { reference: "farthest", coarse: "horizontal" },
  between: { reference: "between", coarse: "between" },
  support: { reference: "supported-by", coarse: "support" },
};

const pythonList = (items: readonly string[]): string => `[${items.map((w) => `'${w}'`).join(", ")}]`;

/** "scene-label-count-target-distractors", ReferIt3D's key of a target among its like. */
function stimulus(room: RoomRecord, target: number): { id: string; distractors: number[] } {
  const label = room.objects[target]!.label;
  const distractors = room.objects.flatMap((o, i) => (o.label === label && i !== target ? [i] : []));
  return {
    id: [room.id, label.replaceAll(" ", "_"), distractors.length + 1, target, ...distractors].join("-"),
    distractors,
  };
}

/** ScanRefer's json of some rooms: every sentence, with what S2-Rooms knows of it under `s2_rooms`. */
export function scanReferJson(rooms: readonly RoomRecord[]): string {
  const entries = rooms.flatMap((room) => {
    const count = new Map<number, number>();
    return room.sentences.map((s) => {
      const annotation = count.get(s.target) ?? 0;
      count.set(s.target, annotation + 1);
      return {
        scene_id: room.id,
        object_id: String(s.target),
        object_name: room.objects[s.target]!.label.replaceAll(" ", "_"),
        ann_id: String(annotation),
        description: s.text,
        token: words(s.text),
        s2_rooms: {
          kind: s.kind,
          anchor_ids: s.anchors,
          anchors_types: s.anchors.map((a) => room.objects[a]!.label),
          ...(s.truth === undefined ? {} : { truth: s.truth }),
          ...(s.clauses === undefined ? {} : { clauses: s.clauses }),
        },
      };
    });
  });
  return `[\n${entries.map((e) => JSON.stringify(e)).join(",\n")}\n]\n`;
}

/** Sr3D's csv: the sentences of Sr3D's own relations. */
export function sr3dCsv(rooms: readonly RoomRecord[]): string {
  return writeCsv(
    rooms.flatMap((room) =>
      room.sentences.flatMap((s) => {
        const type = sr3dTypes[s.kind];
        // these files have no place for what a wrongly annotated sentence means
        if (type === undefined || s.truth !== undefined) return [];
        const { id, distractors } = stimulus(room, s.target);
        return [
          {
            scan_id: room.id,
            target_id: s.target,
            distractor_ids: JSON.stringify(distractors),
            utterance: s.text,
            stimulus_id: id,
            coarse_reference_type: type.coarse,
            reference_type: type.reference,
            instance_type: room.objects[s.target]!.label,
            anchors_types: pythonList(s.anchors.map((a) => room.objects[a]!.label)),
            anchor_ids: JSON.stringify(s.anchors),
            tokens: pythonList(words(s.text)),
            dataset: "sr3d",
            mentions_target_class: "True",
          },
        ];
      }),
    ),
  );
}

/** Nr3D's csv: attribute and view-dependent sentences. */
export function nr3dCsv(rooms: readonly RoomRecord[]): string {
  let assignment = 0;
  return writeCsv(
    rooms.flatMap((room) =>
      room.sentences.flatMap((s) => {
        if ((s.kind !== "attribute" && s.kind !== "view") || s.truth !== undefined) return [];
        return [
          {
            assignmentid: assignment++,
            stimulus_id: stimulus(room, s.target).id,
            utterance: s.text,
            correct_guess: "True",
            scan_id: room.id,
            instance_type: room.objects[s.target]!.label,
            target_id: s.target,
            uses_object_lang: "True",
            uses_spatial_lang: s.kind === "view" ? "True" : "False",
            uses_color_lang:
              s.kind === "view" || words(s.text).includes(room.objects[s.target]!.colour) ? "True" : "False",
            uses_shape_lang: "False",
            mentions_target_class: "True",
            tokens: pythonList(words(s.text)),
            dataset: "nr3d",
          },
        ];
      }),
    ),
  );
}

const nyuNames: Record<number, string> = { 39: "otherfurniture", 40: "otherprop" };

/** The classes in the columns of ScanNet's scannetv2-labels.combined.tsv. */
export function labelMapTsv(): string {
  const header = [
    "id",
    "raw_category",
    "category",
    "count",
    "nyu40id",
    "eigen13id",
    "nyuClass",
    "nyu40class",
    "eigen13class",
    "ModelNet40",
    "ModelNet10",
    "ShapeNetCore55",
    "synsetoffset",
    "wnsynsetid",
    "wnsynsetkey",
    "mpcat40index",
    "mpcat40",
  ];
  const rows = classNames.map((name, i) => {
    const { nyu40 } = classes[name];
    return [i + 1, name, name, 0, nyu40, "", name, nyuNames[nyu40] ?? name, "", "", "", "", "", "", "", "", ""].join(
      "\t",
    );
  });
  return `${[header.join("\t"), ...rows].join("\n")}\n`;
}
