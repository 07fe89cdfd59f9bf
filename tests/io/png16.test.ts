import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { Rng } from "../../lib/core/rng";
import { decodePng16, encodePng16, type Grey16 } from "../../lib/io/png16";
import fc from "../setup/fast-check";
import { crcOf } from "../setup/formats/npz";

function picture(rows: number, cols: number, seed: number): Grey16 {
  const rng = new Rng(seed, "png16");
  return { rows, cols, pixels: Uint16Array.from({ length: rows * cols }, () => rng.int(65536)) };
}

describe("png16", () => {
  test("what is written is read", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(1000),
        async (rows, cols, seed) => {
          const image = picture(rows, cols, seed);
          expect(await decodePng16(encodePng16(image), "x.png")).toEqual(image);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("sharp reads the same numbers from our file", async () => {
    const image = picture(9, 13, 1);
    // without grey16 sharp would hand out 8-bit colour
    const { data, info } = await sharp(encodePng16(image))
      .toColourspace("grey16")
      .raw({ depth: "ushort" })
      .toBuffer({ resolveWithObject: true });
    expect([info.height, info.width, info.channels]).toEqual([9, 13, 1]);
    expect([...new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length))]).toEqual([
      ...image.pixels,
    ]);
  });

  test.each([false, true])("we read sharp's file, row filters included (adaptive: %s)", async (adaptiveFiltering) => {
    // a smooth slope makes libpng choose several filters
    const [rows, cols] = [40, 50];
    const pixels = Uint16Array.from(
      { length: rows * cols },
      (_, i) => 500 + 37 * Math.floor(i / cols) + 11 * (i % cols) + ((i * 7919) % 5),
    );
    const file = await sharp(pixels, { raw: { width: cols, height: rows, channels: 1 } })
      .toColourspace("grey16")
      .png({ adaptiveFiltering })
      .toBuffer();
    expect([...(await decodePng16(file, "x.png")).pixels]).toEqual([...pixels]);
  });

  const good = encodePng16(picture(6, 5, 2));
  const changed = (at: number, to: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at] = to;
    return copy;
  };

  /** The good file with another header, whose checksum fits. */
  const header = (body: Buffer): Buffer => {
    const type = Buffer.concat([Buffer.from("IHDR"), body]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    crc.writeUInt32BE(crcOf(type));
    return Buffer.concat([good.subarray(0, 8), length, type, crc, good.subarray(33)]);
  };
  const taller = (rows: number): Buffer => header(Buffer.from([0, 0, 0, 5, 0, 0, 0, 6 + rows, 16, 0, 0, 0, 0]));

  test.each([
    ["empty", Buffer.alloc(0), "d/3.png: not a PNG file (0 bytes)"],
    ["a jpg", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0]), "d/3.png: not a PNG file (10 bytes"],
    ["cut inside a chunk", good.subarray(0, 60), "d/3.png: the PNG is cut off (60 bytes)"],
    [
      "cut between chunks",
      good.subarray(0, good.length - 12),
      `d/3.png: the PNG is cut off (${good.length - 12} bytes)`,
    ],
    [
      "a flipped byte",
      changed(50, good[50]! ^ 1),
      "d/3.png: the PNG does not decode (CRC mismatch for chunk IDAT) (134 bytes)",
    ],
    ["a flipped checksum", changed(good.length - 13, good[good.length - 13]! ^ 1), "CRC mismatch for chunk IDAT"],
    [
      "a header of other methods",
      header(Buffer.from([0, 0, 0, 5, 0, 0, 0, 6, 16, 0, 1, 0, 0])),
      "does not begin with a header",
    ],
    [
      "a header of 14 bytes",
      header(Buffer.from([0, 0, 0, 5, 0, 0, 0, 6, 16, 0, 0, 0, 0, 0])),
      "does not begin with a header",
    ],
    ["a row short", taller(1), "d/3.png: the PNG does not decode (66 bytes are no 7 rows of 5 pixels)"],
    ["a row long", taller(-1), "d/3.png: the PNG does not decode (Cannot create a Buffer larger than 55 bytes)"],
  ])("refuses a file that is %s", async (_, file, message) => {
    await expect(decodePng16(file, "d/3.png")).rejects.toThrow(UserError);
    await expect(decodePng16(file, "d/3.png")).rejects.toThrow(message);
  });

  test("one filtered row among others counts, and what stands behind the end does not", async () => {
    const image = picture(3, 4, 3);
    const raw = Buffer.alloc(3 * 9);
    image.pixels.forEach((value, i) => {
      raw.writeUInt16BE(value, Math.floor(i / 4) * 9 + 1 + (i % 4) * 2);
    });
    // the last row as the difference from the one above (filter 2)
    for (let i = 26; i > 18; i--) raw[i] = raw[i]! - raw[i - 9]!;
    raw[18] = 2;
    const body = Buffer.concat([Buffer.from("IDAT"), deflateSync(raw)]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length - 4);
    crc.writeUInt32BE(crcOf(body));
    const ours = encodePng16(image);
    const file = Buffer.concat([ours.subarray(0, 33), length, body, crc, ours.subarray(-12), Buffer.from("more")]);
    expect(await decodePng16(file, "x.png")).toEqual(image);
  });

  test("refuses 8-bit images", async () => {
    const file = await sharp(new Uint8Array(12), { raw: { width: 4, height: 3, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    await expect(decodePng16(file, "d/3.png")).rejects.toThrow(
      "d/3.png: expected a 16-bit grey PNG without interlacing (depth in millimetres), got 8 bits, colour type " +
        "0; export depth as uint16",
    );
  });

  test("mutated bytes, with checksums that fit, give an error or an image, never anything else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("IHDR", "IDAT"), fc.nat(60), fc.nat(255), async (chunk, at, to) => {
        const bytes = Buffer.from(good);
        const body = bytes.indexOf(chunk) + 4;
        const length = bytes.readUInt32BE(body - 8);
        bytes[body + (at % length)] = to;
        bytes.writeUInt32BE(crcOf(bytes.subarray(body - 4, body + length)), body + length);
        try {
          await decodePng16(bytes, "d/3.png");
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a header that promises a huge image, or is too short, is refused before anything is unpacked", async () => {
    const sides = Buffer.from([0, 1, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0]);
    await expect(decodePng16(header(sides), "d/3.png")).rejects.toThrow(
      "d/3.png: the PNG is said to have 65536 x 65536 pixels",
    );
    await expect(decodePng16(header(Buffer.from([0, 0])), "d/3.png")).rejects.toThrow(
      "d/3.png: expected a 16-bit grey PNG",
    );
  });
});
