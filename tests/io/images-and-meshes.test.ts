import { deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readCsv, writeCsv } from "../../lib/io/csv";
import { decodeRgb, encodeJpg } from "../../lib/io/jpg";
import { readPly, writePly } from "../../lib/io/ply";
import { crcOf } from "../setup/formats/npz";
import { plyFile, scanVertices } from "../setup/formats/scan";

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

describe("ply", () => {
  const mesh = {
    points: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1.5, -2),
    colours: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 255),
    faces: Int32Array.of(0, 1, 2),
  };

  test("what is written is read", () => {
    expect(readPly(writePly(mesh), "m.ply")).toEqual(mesh);
  });

  test("reads other layouts of the same data", () => {
    // no colours, doubles, an extra property in front, a list of shorts
    const header =
      "ply\nformat binary_little_endian 1.0\ncomment made by hand\nelement vertex 1\nproperty uchar flag\nproperty double x\nproperty double y\nproperty double z\nelement face 1\nproperty list uchar ushort vertex_indices\nend_header\n";
    const body = Buffer.alloc(25 + 7);
    body[0] = 9;
    [1.5, -2, 3].forEach((x, i) => body.writeDoubleLE(x, 1 + 8 * i));
    body[25] = 3;
    const read = readPly(Buffer.concat([Buffer.from(header), body]), "m.ply");
    expect([...read.points]).toEqual([1.5, -2, 3]);
    expect([...read.faces]).toEqual([0, 0, 0]);
  });

  const file = writePly(mesh);
  test.each([
    ["not a ply", Buffer.from("solid x"), "m.ply: not a PLY file (no header)"],
    [
      "ascii",
      Buffer.from("ply\nformat ascii 1.0\nend_header\n"),
      'm.ply: format is "ascii", expected binary_little_endian',
    ],
    [
      "without coordinates",
      Buffer.from("ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float a\nend_header\n1234"),
      "m.ply: vertices have no x, y, z",
    ],
    ["cut in the vertices", file.subarray(0, file.length - 20), "inside its vertex list"],
    ["cut in the faces", file.subarray(0, file.length - 2), "inside its face list"],
    [
      "of half a vertex",
      Buffer.from("ply\nformat binary_little_endian 1.0\nelement vertex 0.5\nend_header\n"),
      'm.ply: element "vertex" has the count "0.5", expected a whole number',
    ],
    [
      "of a list of -1 values",
      Buffer.from(
        "ply\nformat binary_little_endian 1.0\nelement face 9\nproperty list char int v\nend_header\n\xff",
        "latin1",
      ),
      "m.ply: face 0 has a list of -1 values",
    ],
    [
      "of faces without vertices",
      Buffer.from(
        "ply\nformat binary_little_endian 1.0\nelement face 1\nproperty list uchar uchar v\nend_header\n\x03\x00\x01\x02",
        "latin1",
      ),
      "m.ply: a face names vertex 0, but there are 0",
    ],
    [
      "of a type that objects have",
      Buffer.from("ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty constructor x\nend_header\n"),
      'has the unknown type "constructor"',
    ],
    [
      "of an unknown type",
      Buffer.from("ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty half x\nend_header\n"),
      'm.ply: property "x" has the unknown type "half"',
    ],
  ])("refuses a file that is %s", (_, bytes, message) => {
    expect(() => readPly(bytes, "m.ply")).toThrow(message);
  });
});

describe("a mesh with mutated bytes", () => {
  test("gives an error or a mesh, never anything else", () => {
    const whole = plyFile(scanVertices());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        fc.nat(whole.length),
        (changes, cut) => {
          const bytes = Buffer.from(cut % 4 === 0 ? whole.subarray(0, cut) : whole);
          for (const [at, to] of changes) if (at < bytes.length) bytes[at] = to;
          try {
            readPly(bytes, "m.ply");
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test("an element of nothing, announced a million times a million, is passed over", () => {
    expect(
      readPly(Buffer.from("ply\nformat binary_little_endian 1.0\nelement nothing 1000000000000\nend_header\n"), "m.ply")
        .points.length,
    ).toBe(0);
  });
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

describe("csv", () => {
  test("text stays text, quotes and commas survive, a blank last line is no row", () => {
    const text = writeCsv([{ id: "007", say: 'of the "chairs", one', n: 3 }]);
    expect(readCsv(`${text}\n`, "a.csv", ["id", "n"])).toEqual([{ id: "007", say: 'of the "chairs", one', n: "3" }]);
    expect(writeCsv([])).toBe("");
  });

  test("a byte order mark and blank lines are no content", () => {
    expect(readCsv("\ufeffa,b\n\n1,2\n\n", "a.csv", ["a"])).toEqual([{ a: "1", b: "2" }]);
  });

  test("an empty value is an empty text, a quoted one may hold lines", () => {
    expect(readCsv('a,b\r\n1,\r\n2,"x\ny"\r\n', "a.csv", ["a"])).toEqual([
      { a: "1", b: "" },
      { a: "2", b: "x\ny" },
    ]);
  });

  test.each([
    [
      "a quote that never closes",
      'a,b\n1,"x\n2,z\n',
      "a.csv: a quote opens behind row 0 and never closes; download the file again",
    ],
    ["a quote that closes in a later value", 'a,b\n1,"x\n2,z\n3,"k"\n', "a.csv: line 4: a quote stands inside a value"],
    ["a quote inside of a value", 'a,b\n1,x"y\n', "a.csv: line 2: a quote stands inside a value"],
    ["text behind a quote", 'a,b\n1,"x\ny"\n2,"o"p\n', "a.csv: line 4: a quote stands inside a value"],
    ["a line that is too short", "a,b\n1,2\n3\n", "a.csv: line 3 has 1 values, the first line another number"],
    ["a line that is too long", "a,b\n1,2,3\n", "a.csv: line 2 has 3 values, the first line another number"],
    ["a column that is there twice", "a,a\n1,2\n", "a.csv: column a is there twice"],
    ["nothing", "", "a.csv: is empty, expected columns a"],
  ])("refuses %s", (_, text, message) => {
    expect(() => readCsv(text, "a.csv", ["a"])).toThrow(UserError);
    expect(() => readCsv(text, "a.csv", ["a"])).toThrow(message);
  });

  test("names missing columns and what is there", () => {
    expect(() => readCsv("a,b\n1,2\n", "a.csv", ["a", "c", "d"])).toThrow("a.csv: columns c, d missing; it has a, b");
  });
});
