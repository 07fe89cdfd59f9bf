import { describe, expect, test } from "vitest";
import { OutputCollector, settle } from "../../lib/notebook/outputs";

describe("outputs", () => {
  test("a progress line is kept in its last state", () => {
    expect(settle("1/3\r2/3\r3/3\ndone\r\n")).toBe("3/3\ndone\n");
  });

  test("streams join, displays update in place, clearing waits when asked to", () => {
    const collector = new OutputCollector();
    collector.add("stream", { name: "stdout", text: "a" });
    collector.add("stream", { name: "stdout", text: "b\n" });
    collector.add("display_data", { data: { "text/plain": "1" }, transient: { display_id: "d" } });
    collector.add("update_display_data", { data: { "text/plain": "2" }, transient: { display_id: "d" } });
    collector.add("execute_result", { data: { "text/plain": "3" }, execution_count: 7 });
    expect(collector.outputs()).toEqual([
      { output_type: "stream", name: "stdout", text: "ab\n" },
      { output_type: "display_data", data: { "text/plain": "2" }, metadata: {} },
      { output_type: "execute_result", data: { "text/plain": "3" }, metadata: {}, execution_count: 7 },
    ]);
    collector.add("clear_output", { wait: true });
    expect(collector.outputs()).toHaveLength(3);
    collector.add("stream", { name: "stdout", text: "new" });
    expect(collector.outputs()).toEqual([{ output_type: "stream", name: "stdout", text: "new" }]);
  });
});
