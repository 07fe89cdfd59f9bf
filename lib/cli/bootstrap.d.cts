/** Whether version `have` ("20.19.1") is at least `want` ("20.19"). */
export function atLeast(have: string, want: string): boolean;
/** Why the packages of the project in `folder` have to be installed; undefined when they need not. */
export function reasonToInstall(folder: string): string | undefined;
