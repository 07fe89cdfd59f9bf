import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readPly, writePly } from "../../lib/io/ply";
import fc from "../setup/fast-check";
import { plyFile, scanVertices } from "../setup/formats/scan";

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
      "ply\nformat binary_little_endian 1.0\ncomment made by hand\nelement vertex 1\nproperty uchar " +
      "flag\nproperty double x\nproperty double y\nproperty double z\nelement face 1\nproperty list uchar " +
      "ushort vertex_indices\nend_header\n";
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
        "ply\nformat binary_little_endian 1.0\nelement face 1\nproperty list uchar uchar " +
          "v\nend_header\n\x03\x00\x01\x02",
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
