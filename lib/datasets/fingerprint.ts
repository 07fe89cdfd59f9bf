import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesIn, textIn } from "../core/files";
import { alignmentFile } from "./alignment";
import { frameStore } from "./frame-source";
import { objectFiles } from "./objects";
import { otherScan } from "./other-sets";
import { proposalFile } from "./proposals";
import { sceneListFile, splitNames, splitScenes } from "./sentences";

/**
 * What a scan's frames are made of, without reading them: how they are stored, and the recording's size or the number
 * of files.
 */
function framesOf(folder: string, id: string): string {
  const store = frameStore(folder, id);
  if (store === undefined) return "no frames";
  const at = store.kind === "exported folders" ? join(store.path, "color") : store.path;
  return `${store.kind} ${store.kind === "sens" ? bytesIn(at) : readdirSync(at).length}`;
}

/**
 * Identifies what a data folder offers of some scans: their facts by content, meshes, annotations, frames and
 * proposals by
 * form and size. Dates do not count, so that a copy on another machine has the same fingerprint; sentences are left
 * out,
 * since nothing that is prepared of a scan depends on them.
 *
 * @returns 64 hexadecimal digits
 */
export function scansFingerprint(folder: string, ids: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of [alignmentFile, "embodiedscan.json"]) hash.update(`${name}\0${textIn(join(folder, name))}\0`);
  for (const id of ids) {
    const other = otherScan(folder, id);
    const proposals = proposalFile(folder, id);
    const offered = proposals === undefined ? "no proposals" : `${proposals.kind} ${bytesIn(proposals.file)}`;
    if (other !== undefined) {
      hash.update([id, other.kind, other.identity(), offered, ""].join("\0"));
      continue;
    }
    const { mesh, segments, aggregation } = objectFiles(folder, id);
    hash.update(
      [
        id,
        textIn(join(folder, "scans", id, `${id}.txt`)),
        ...[mesh, segments, aggregation].map(bytesIn),
        framesOf(folder, id),
        offered,
        "",
      ].join("\0"),
    );
  }
  return hash.digest("hex");
}

const roomsManifest = (folder: string): string => join(folder, "rooms.json");

/**
 * Fingerprint of a data folder: what its maker wrote, or what its scans offer.
 *
 * @returns 12 hexadecimal digits
 * @throws UserError when the folder has neither
 */
export function dataFingerprint(folder: string): string {
  const manifest = roomsManifest(folder);
  if (existsSync(manifest))
    return (JSON.parse(readFileSync(manifest, "utf8")) as { fingerprint: string }).fingerprint.slice(0, 12);
  const lists = splitNames.map((split) => splitScenes(folder, split));
  return createHash("sha256")
    .update(JSON.stringify([lists, scansFingerprint(folder, lists.flat())]))
    .digest("hex")
    .slice(0, 12);
}

/** The fingerprint of a folder that is complete enough to have one; undefined where there are no data, or not yet. */
export function fingerprintHere(folder: string): string | undefined {
  const known =
    existsSync(roomsManifest(folder)) || splitNames.every((split) => existsSync(sceneListFile(folder, split)));
  return known ? dataFingerprint(folder) : undefined;
}
