import { UserError } from "../core/errors";
import type { Grey16 } from "./png16";

/**
 * Reads a binary 16-bit PGM (P5, most significant byte first), as ScanNet's C++ SensReader and 3RScan write depth.
 *
 * @param origin file name for messages
 * @throws UserError when the file is cut off or of another kind
 */
export function decodePgm16(file: Uint8Array, origin: string): Grey16 {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const head = /^P5\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+(\d+)\s/.exec(bytes.toString("latin1", 0, 256));
  const [cols, rows, most] = head?.slice(1).map(Number) ?? [];
  if (head === null || most! < 256 || most! > 65535)
    throw new UserError(`${origin}: expected a binary 16-bit PGM (P5), ${bytes.length} bytes; export this frame again`);
  const from = head[0].length;
  const pixels = new Uint16Array(Math.min(rows! * cols!, (bytes.length - from) / 2));
  if (pixels.length !== rows! * cols! || bytes.length !== from + 2 * pixels.length)
    throw new UserError(
      `${origin}: has ${bytes.length - from} bytes of pixels, expected ${2 * rows! * cols!} for ${cols}x${rows}; ` +
        "export this frame again",
    );
  for (let i = 0; i < pixels.length; i++) pixels[i] = bytes.readUInt16BE(from + 2 * i);
  return { rows: rows!, cols: cols!, pixels };
}
