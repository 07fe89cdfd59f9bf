import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { decodeRgb, encodeJpg } from "../../lib/io/jpg";
import fc from "../setup/fast-check";
import { crcOf } from "../setup/formats/npz";

describe("jpg", () => {
  const pixels = Uint8Array.from({ length: 16 * 24 * 3 }, (_, i) => (i % 3 === 0 ? 200 : 10 * (i % 3)));

  test("keeps size and, nearly, colour; the same picture gives the same bytes", async () => {
    const file = await encodeJpg({ rows: 16, cols: 24, pixels });
    expect(await encodeJpg({ rows: 16, cols: 24, pixels })).toEqual(file);
    const back = await decodeRgb(file, "a.jpg");
    expect([back.rows, back.cols]).toEqual([16, 24]);
    // quality 92 of a flat colour: within a few grey levels
    expect(Math.max(...back.pixels.map((x, i) => Math.abs(x - pixels[i]!)))).toBeLessThan(6);
  });

  test("resizes and cuts where asked, grey images become colour", async () => {
    const grey = await sharp(new Uint8Array(16 * 24).fill(77), { raw: { width: 24, height: 16, channels: 1 } })
      .png()
      .toBuffer();
    const back = await decodeRgb(grey, "a.png", (cols, rows) => {
      expect([cols, rows]).toEqual([24, 16]);
      return { cols: 12, rows: 8, left: 2, top: 0, size: 8 };
    });
    expect([back.rows, back.cols, back.pixels.length]).toEqual([8, 8, 192]);
    expect(new Set(back.pixels)).toEqual(new Set([77]));
  });

  test.each([
    ["cut off", 0.6],
    ["empty", 0],
  ])("refuses a file that is %s", async (_, share) => {
    const busy = pixels.map((_, i) => (i * 7919) % 251);
    const whole = await encodeJpg({ rows: 16, cols: 24, pixels: busy });
    const file = whole.subarray(0, Math.floor(share * whole.length));
    await expect(decodeRgb(file, "color/7.jpg")).rejects.toThrow(
      /^color\/7\.jpg: the image does not decode \(.+ bytes\); export this frame again$/,
    );
  });
});

test("a jpg whose picture is damaged in the middle is refused, not shown grey", async () => {
  const busy = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const file = Buffer.from(await encodeJpg({ rows: 64, cols: 64, pixels: busy }));
  const scan = file.indexOf(Buffer.of(0xff, 0xda));
  // a restart marker where none may stand ends the entropy-coded segment early
  file.set([0xff, 0xd3], scan + Math.floor((file.length - scan) / 2));
  await expect(decodeRgb(file, "color/8.jpg")).rejects.toThrow(/^color\/8\.jpg: the image does not decode/);
});

describe("a colour image with mutated bytes", () => {
  test("gives an error or an image, never anything else", async () => {
    const whole = await encodeJpg({
      rows: 6,
      cols: 8,
      pixels: Uint8Array.from({ length: 144 }, (_, i) => (i * 37) % 256),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        fc.nat(whole.length),
        async (changes, cut) => {
          const bytes = Buffer.from(cut % 4 === 0 ? whole.subarray(0, cut) : whole);
          // sizes stay: what a header may claim is the next test's
          for (const [at, to] of changes)
            if (at < bytes.length && whole.readUInt16BE(Math.max(0, at - 1)) !== 6) bytes[at] = to;
          try {
            const { rows, cols, pixels } = await decodeRgb(bytes, "f.jpg");
            expect(pixels.length).toBe(rows * cols * 3);
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("that claims to be monstrous is refused before it is unpacked", async () => {
    const chunk = (type: string, body: Buffer): Buffer => {
      const named = Buffer.concat([Buffer.from(type, "latin1"), body]);
      const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(body.length);
      crc.writeUInt32BE(crcOf(named));
      return Buffer.concat([length, named, crc]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(30_000, 0);
    header.writeUInt32BE(30_000, 4);
    header.set([8, 2, 0, 0, 0], 8);
    const png = Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(Buffer.alloc(1000))),
      chunk("IEND", Buffer.alloc(0)),
    ]);
    await expect(decodeRgb(png, "f.png")).rejects.toThrow(/^f\.png: the image does not decode \(.*pixel limit/i);
  });
});
