import { closeSync, createReadStream, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";
import { UserError } from "../core/errors";
import { widen } from "./dtypes";
import type { Grey16 } from "./png16";

/**
 * MultiScan's depth film: the images of all frames one after the other, deflated as a whole without a zlib header.
 * Nothing can be
 * read in the middle of that, so it is unpacked once into a temporary file that nobody else sees.
 */
export class DepthStream {
  #unpacked: Promise<{ file: number; frames: number; complaint: string | undefined }> | undefined;

  /** @param unit half-precision metres (iOS) or whole millimetres (Android), two bytes each */
  constructor(
    private readonly path: string,
    private readonly size: readonly [rows: number, cols: number],
    private readonly count: number,
    private readonly unit: "metres" | "millimetres",
  ) {}

  get #frameBytes(): number {
    return 2 * this.size[0] * this.size[1];
  }

  /** One image in millimetres; 0 = not measured. @throws UserError when the film ends before it */
  async frame(index: number): Promise<Grey16> {
    const { file, frames, complaint } = await (this.#unpacked ??= this.#unpack());
    if (index >= frames)
      throw new UserError(
        `${this.path}: frame ${index} is not there: it holds ${frames} whole frames of ` +
          `${this.count}${complaint === undefined ? "" : ` (${complaint})`}; download the scan again`,
      );
    const [rows, cols] = this.size;
    const words = new Uint16Array(rows * cols);
    readSync(file, new Uint8Array(words.buffer), 0, this.#frameBytes, index * this.#frameBytes);
    if (this.unit === "millimetres") return { rows, cols, pixels: words };
    const metres = new Float32Array(words.length);
    widen("F16", words, metres);
    // what is negative or not a number was not measured
    return { rows, cols, pixels: Uint16Array.from(metres, (m) => (m > 0 && m < 65.5 ? Math.round(m * 1000) : 0)) };
  }

  /** Gives the temporary file back. */
  close(): void {
    void this.#unpacked?.then(
      ({ file }) => closeSync(file),
      () => {},
    );
    this.#unpacked = undefined;
  }

  async #unpack(): Promise<{ file: number; frames: number; complaint: string | undefined }> {
    const folder = mkdtempSync(join(tmpdir(), "s2-depth-"));
    const file = openSync(join(folder, "frames"), "w+");
    try {
      // an open file stays readable without its name, and is gone when it is closed
      rmSync(folder, { recursive: true });
    } catch {
      // a system on which that is not so removes it at the end
      process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    }
    const most = this.count * this.#frameBytes;
    let bytes = 0;
    const keep = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        // a damaged or foreign stream may go on for ever
        if (bytes + chunk.length > most)
          return done(
            new UserError(
              `${this.path}: unpacks to more than its ${this.count} frames of ${this.size[0]}x${this.size[1]} ` +
                "pixels; the scan's facts belong to another film, download the scan again",
            ),
          );
        writeSync(file, chunk, 0, chunk.length, bytes);
        bytes += chunk.length;
        done();
      },
    });
    let complaint: string | undefined;
    try {
      await pipeline(createReadStream(this.path), createInflateRaw(), keep);
    } catch (error) {
      if (error instanceof UserError) {
        closeSync(file);
        throw error;
      }
      // what was unpacked before the damage is whole
      complaint = (error as Error).message;
    }
    return { file, frames: Math.floor(bytes / this.#frameBytes), complaint };
  }
}
