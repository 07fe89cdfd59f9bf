/** What the owners of the data sets say of their files. */
interface Published {
  readonly count: number;
  /** The owners give hundreds only, such as 41.5K. */
  readonly hundreds?: true;
  /** What is counted. */
  readonly of: string;
  readonly source: string;
}

/** By the file's name, without folders. */
export const published = {
  "scannetv2_train.txt": { count: 1201, of: "scenes", source: "ScanNet v2" },
  "scannetv2_val.txt": { count: 312, of: "scenes", source: "ScanNet v2" },
  // 46,173 in train and val together (ScanRefer's README); 36,665 and 9,508 also in zlccccc/3DVG-Transformer's issue 2
  "ScanRefer_filtered_train.json": { count: 36_665, of: "sentences", source: "ScanRefer" },
  "ScanRefer_filtered_val.json": { count: 9_508, of: "sentences", source: "ScanRefer" },
  // "41.5K" and "83.5K" on https://referit3d.github.io; its owners give no exact totals
  "nr3d.csv": { count: 41_500, hundreds: true, of: "sentences", source: "ReferIt3D" },
  "sr3d.csv": { count: 83_500, hundreds: true, of: "sentences", source: "ReferIt3D" },
} as const satisfies Readonly<Record<string, Published>>;

/**
 * "as published" or how a file differs from what its owners published.
 *
 * @param name of the file, without folders
 * @returns undefined for a file of which nothing is published
 */
export function comparePublished(name: string, count: number): string | undefined {
  const known = (published as Readonly<Record<string, Published>>)[name];
  if (known === undefined) return undefined;
  const same = known.hundreds === true ? Math.floor(count / 100) * 100 === known.count : count === known.count;
  const said = known.hundreds === true ? `${known.count / 1000}K` : String(known.count);
  if (same)
    return known.hundreds === true ? `${said} as published by ${known.source}` : `as published by ${known.source}`;
  return `${known.source} published ${said} ${known.of}: this is another version or a part`;
}
