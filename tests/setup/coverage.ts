import { takeCoverage } from "node:v8";
import { afterAll } from "vitest";

// Node writes what it counted when a process exits; vitest ends its workers without
afterAll(() => takeCoverage());
