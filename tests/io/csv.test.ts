import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readCsv, writeCsv } from "../../lib/io/csv";

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
