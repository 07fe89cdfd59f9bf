import { UserError } from "../core/errors";

/**
 * A scene's name as it may become part of a path: letters, digits and _ only, so that no list or annotation can lead
 * out
 * of the data folder.
 *
 * @param origin the file that names the scene
 * @throws UserError for any other text
 */
export function checkSceneId(id: string, origin: string): string {
  if (/^\w{1,64}$/.test(id)) return id;
  throw new UserError(
    `${origin}: scene id must be letters, digits and _ such as scene0011_00, got ` +
      `${JSON.stringify(id.slice(0, 80))}; take the official file`,
  );
}
