/** What the owners of the data sets say of their files. */
interface Published {
  readonly count: number;
  /** What is counted. */
  readonly of: string;
  readonly source: string;
}

const published: Readonly<Record<string, Published>> = {
  "scannetv2_train.txt": { count: 1201, of: "scenes", source: "ScanNet v2" },
  "scannetv2_val.txt": { count: 312, of: "scenes", source: "ScanNet v2" },
  // 46,173 in train and val together (ScanRefer's README) less val's
  "ScanRefer_filtered_train.json": { count: 36_665, of: "sentences", source: "ScanRefer" },
  "ScanRefer_filtered_val.json": { count: 9_508, of: "sentences", source: "ScanRefer" },
  "nr3d.csv": { count: 41_503, of: "sentences", source: "ReferIt3D" },
  "sr3d.csv": { count: 83_572, of: "sentences", source: "ReferIt3D" },
};

/**
 * "as published" or how a file differs from what its owners published.
 *
 * @param name of the file, without folders
 * @returns undefined for a file of which nothing is published
 */
export function comparePublished(name: string, count: number): string | undefined {
  const known = published[name];
  if (known === undefined) return undefined;
  return known.count === count ? `as published by ${known.source}` : `${known.source} published ${known.count} ${known.of}: this is another version or a part`;
}
