import { join } from "node:path";
import { mean } from "../../core/averages";
import { UserError } from "../../core/errors";
import { readProposals } from "../proposals";
import { openScene, readSceneList } from "../scannet";
import { readScanRefer } from "../scanrefer";
import { type Query, relationKinds } from "../scene";
import { baselines, type KindBaseline, type ProposalBaseline, proposalBaseline, type Room } from "./baselines";
import { classes, classNames, colourNames } from "./classes";
import { type RoomsManifest, readManifest } from "./make";
import { finishedRoom, shownBy } from "./scan";
import { measureVisibility, type Visibility } from "./visibility";

/** What is measured of a finished folder, for its data card. */
export interface RoomsFacts {
  readonly manifest: RoomsManifest;
  /** Least, mean and most in the test rooms. */
  readonly objects: readonly [number, number, number];
  readonly framesLost: number;
  readonly mix: { readonly train: ReadonlyMap<string, number>; readonly val: ReadonlyMap<string, number> };
  readonly distinctSentences: number;
  /** Different ones when classes, colours and numbers are not told apart. */
  readonly distinctForms: number;
  readonly wordsPerSentence: number;
  /** Share of the sentences by their words: below 5, from 5 to 9, …. */
  readonly lengths: readonly number[];
  readonly kinds: readonly KindBaseline[];
  readonly proposals: ProposalBaseline;
  readonly visibility: Visibility;
  readonly views: number;
  readonly patch: number;
}

function mixOf(queries: readonly Query[]): Map<string, number> {
  return new Map(
    relationKinds.flatMap((kind) => {
      const n = queries.filter((q) => q.relation === kind).length;
      return n === 0 ? [] : [[kind, n / queries.length] as const];
    }),
  );
}

/** A sentence without its classes, colours and numbers. */
function masked(text: string): string {
  const nouns = [...classNames.map((name) => classes[name].plural), ...classNames].join("|");
  return text
    .replace(new RegExp(`\\b(?:${nouns})\\b`, "g"), "C")
    .replace(new RegExp(`\\b(?:an? )?(?:${colourNames.join("|")})\\b`, "g"), "K")
    .replace(/\b(?:one|two|three|four|five|six)(?= (?:K )?C\b)/g, "N");
}

/** Words of a bin of the lengths. */
export const wordsPerBin = 5;

function histogram(lengths: readonly number[]): number[] {
  const most = Math.max(...lengths);
  return Array.from({ length: Math.floor(most / wordsPerBin) + 1 }, (_, i) => {
    return lengths.filter((n) => Math.floor(n / wordsPerBin) === i).length / lengths.length;
  });
}

/** The test rooms of a finished folder and their sentences, through the loaders. */
function testRooms(folder: string) {
  const manifest = readManifest(folder);
  if (manifest === undefined) throw new UserError(`${folder} has no rooms.json; run "data make" to the end first`);
  const scenes = readSceneList(join(folder, "scannetv2_val.txt")).map((id) => openScene(folder, id));
  const { config } = manifest;
  const rooms = new Map(
    scenes.map((s): [string, Room] => {
      const record = finishedRoom(folder, s.id, config);
      if (record === undefined)
        throw new UserError(`${s.folder} was not made with the settings in rooms.json; run "data make" again`);
      const { relation: shown } = shownBy(
        record.objects.map((o) => o.pixels),
        config,
      );
      const colours = record.objects.map(({ colour }) => colour);
      return [s.id, { objects: s.objects, colours, proposals: readProposals(folder, s.id), shown }];
    }),
  );
  return { manifest, scenes, rooms, val: readScanRefer(join(folder, "ScanRefer_filtered_val.json")) };
}

/** What guesses without a model and the rule oracle reach on a finished folder's test rooms, by kind of sentence. */
export function computedBaselines(folder: string): KindBaseline[] {
  const { manifest, rooms, val } = testRooms(folder);
  return baselines(val, rooms, manifest.config.margins);
}

/**
 * Measures a finished folder; visibility and baselines on the test rooms.
 *
 * @param views frames a scene that the model sees
 * @param patch pixels of a patch's side
 */
export async function measureRooms(folder: string, views: number, patch: number): Promise<RoomsFacts> {
  const { manifest, scenes, rooms, val } = testRooms(folder);
  const { config } = manifest;
  const train = manifest.rooms.train === 0 ? [] : readScanRefer(join(folder, "ScanRefer_filtered_train.json"));
  const worded = train.length === 0 ? val : train;
  const counts = scenes.map((s) => s.objects.length);
  return {
    manifest,
    objects: [Math.min(...counts), mean(counts), Math.max(...counts)],
    framesLost: scenes.reduce((n, s) => n + s.skippedFrames.length, 0),
    mix: { train: mixOf(train), val: mixOf(val) },
    distinctSentences: new Set(worded.map((q) => q.description)).size,
    distinctForms: new Set(worded.map((q) => masked(q.description))).size,
    wordsPerSentence: mean(worded.map((q) => q.tokens.length)),
    lengths: histogram(worded.map((q) => q.tokens.length)),
    kinds: baselines(val, rooms, config.margins),
    proposals: proposalBaseline(val, rooms),
    visibility: await measureVisibility(scenes, views, config.image, patch),
    views,
    patch,
  };
}
