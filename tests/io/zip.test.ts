import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readZip } from "../../lib/io/zip";
import { zipFile } from "../setup/formats/npz";

describe("zip", () => {
  const members = { "a.npy": Buffer.from("hello hello hello"), "b/c.txt": Buffer.alloc(0) };
  const asText = (bytes: Buffer): Record<string, string> =>
    Object.fromEntries([...readZip(bytes, "a.npz")].map(([k, v]) => [k, v.toString()]));

  test.each([
    [{}],
    [{ deflate: true }],
    [{ deflate: true, zip64: false }],
    [{ wideDirectory: true }],
    [{ deflate: true, wideDirectory: true, comment: "a comment" }],
  ])("written as %j", (options) => {
    expect(asText(zipFile(members, options))).toEqual({ "a.npy": "hello hello hello", "b/c.txt": "" });
  });

  test("an empty archive", () => {
    expect(asText(zipFile({}))).toEqual({});
  });

  const good = zipFile(members, { deflate: true });
  const changed = (find: number, to: (b: Buffer, at: number) => void): Buffer => {
    const copy = Buffer.from(good);
    const mark = Buffer.alloc(4);
    mark.writeUInt32LE(find);
    to(copy, copy.indexOf(mark));
    return copy;
  };
  const central = 0x02014b50;
  /** Three members, each said to unpack to as many bytes. */
  const claiming = (bytes: number): Buffer => {
    const archive = zipFile(
      { "a.npy": Buffer.alloc(9), "b.npy": Buffer.alloc(9), "c.npy": Buffer.alloc(9) },
      { deflate: true },
    );
    for (let at = 0; (at = archive.indexOf("PK\x01\x02", at, "latin1")) >= 0; at++)
      archive.writeUInt32LE(bytes, at + 24);
    return archive;
  };
  test.each<[string, Buffer, string]>([
    [
      "nothing",
      Buffer.alloc(0),
      "a.npz: not a whole zip archive (0 bytes: ADM-ZIP: Invalid or unsupported zip format. No END header found); ",
    ],
    [
      "cut off",
      good.subarray(0, good.length - 5),
      "(245 bytes: ADM-ZIP: Invalid or unsupported zip format. No END header found); download or write the file again",
    ],
    [
      "a directory elsewhere",
      changed(0x06054b50, (b, at) => b.writeUInt32LE(3, at + 16)),
      "not a whole zip archive (250 bytes: ADM-ZIP: Invalid CEN header (bad signature))",
    ],
    [
      "a directory of more members",
      changed(0x06054b50, (b, at) => b.writeUInt32LE(900 * 0x10001, at + 8)),
      "not a whole zip archive (250 bytes: ADM-ZIP: ",
    ],
    ["an encrypted member", changed(central, (b, at) => b.writeUInt16LE(1, at + 8)), "member a.npy is encrypted"],
    [
      "another compression",
      changed(central, (b, at) => b.writeUInt16LE(14, at + 10)),
      "member a.npy has compression 14, expected 0 (stored) or 8 (deflated)",
    ],
    ["a wrong checksum", changed(central, (b, at) => b.writeUInt32LE(1, at + 16)), "member a.npy has a wrong checksum"],
    [
      "a member beyond the end",
      changed(central, (b, at) => b.writeUInt32LE(1e6, at + 20)),
      "member a.npy does not unpack (ADM-ZIP: Invalid LOC header (bad signature))",
    ],
    [
      "a member that is a bomb",
      changed(central, (b, at) => b.writeUInt32LE(0xfffffff0, at + 24)),
      "member a.npy would unpack to 4294967280 bytes",
    ],
    [
      "members that are a bomb together",
      claiming(0x3fffffff),
      "its 3 members would unpack to 3221225469 bytes, expected at most 2147483648",
    ],
    [
      "a member longer than said",
      changed(central, (b, at) => b.writeUInt32LE(3, at + 24)),
      "member a.npy does not unpack",
    ],
    [
      "a member shorter than said",
      changed(central, (b, at) => b.writeUInt32LE(99, at + 24)),
      "member a.npy has 17 bytes, expected 99",
    ],
    [
      "a member whose header is elsewhere",
      changed(central, (b, at) => b.writeUInt32LE(7, at + 42)),
      "member a.npy does not unpack (ADM-ZIP: Invalid LOC header (bad signature))",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readZip(bytes, "a.npz")).toThrow(UserError);
    expect(() => readZip(bytes, "a.npz")).toThrow(message);
  });
});
