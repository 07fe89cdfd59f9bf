import { serveParent } from "../core/child";
import { checkEach, type SceneCheck, type SceneChecks } from "./check-scene";

// a child process: checks a share of a data folder's scenes and reports the id of each
serveParent<SceneChecks, string, SceneCheck[]>((checks, report) => checkEach(checks, report));
