import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { keptFile, parseJson } from "./json-file";

/** What EmbodiedScan's index says of a scan. */
export interface IndexedScan {
  /** Numbers of the frames with a usable pose, in its order. */
  readonly frames: readonly number[];
  /** Row-major 4x4. */
  readonly alignment?: readonly number[];
  /** Row-major 4x4 intrinsics of the depth images. */
  readonly depthIntrinsics?: readonly number[];
}

const Matrix = z.array(z.array(z.number()).length(4)).length(4);
const Index = z.record(
  z.string(),
  z.looseObject({
    images: z.array(z.string()),
    axis_align_matrix: Matrix.optional(),
    depth_cam2img: Matrix.optional(),
  }),
);

/** Made from EmbodiedScan's pickles as data/README.md says: loading a pickle can run programs, the lab never does. */
const name = "embodiedscan.json";

function readIndex(file: string): Map<string, IndexedScan> {
  const todo = "convert EmbodiedScan's index again as data/README.md says";
  const index = parseJson(file, Index, "EmbodiedScan's index", todo);
  return new Map(
    Object.entries(index).map(([key, scan]): [string, IndexedScan] => {
      const frames = scan.images.map((path) => {
        const number = /(\d+)\.\w+$/.exec(path)?.[1];
        if (number === undefined)
          throw new UserError(`${file}: ${key}: image "${path}" has no frame number such as 00010.jpg; ${todo}`);
        return Number(number);
      });
      return [
        key.split("/").at(-1)!,
        { frames, alignment: scan.axis_align_matrix?.flat(), depthIntrinsics: scan.depth_cam2img?.flat() },
      ];
    }),
  );
}

/**
 * EmbodiedScan's entry of a scan, from embodiedscan.json in a data folder: the frames that the released models sample
 * from.
 *
 * @returns undefined when the folder has no such file, or the file does not list the scan
 * @throws UserError when the file is not in the converted form
 */
export function indexedScan(folder: string, id: string): IndexedScan | undefined {
  return keptFile(join(folder, name), readIndex)?.get(id);
}

/** Scans that embodiedscan.json lists; undefined without the file. @throws UserError as `indexedScan` */
export function indexedScans(folder: string): number | undefined {
  return keptFile(join(folder, name), readIndex)?.size;
}
