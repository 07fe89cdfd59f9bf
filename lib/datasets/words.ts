/** A number 0, 1, … from an id in a file, which may be a text; undefined for anything else, such as "" or "1.5". */
export function wholeNumber(id: string | number): number | undefined {
  return /^\d+$/.test(String(id).trim()) ? Number(id) : undefined;
}

/**
 * The tokens of a sentence, lower-case: words (hyphens inside stay), clitics such as 's, and each punctuation mark, as
 * ScanRefer's and ReferIt3D's own token lists have them. Every reader whose file has no such list uses this.
 */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*|'\p{L}+|[^\s\p{L}\p{N}]/gu) ?? [];
}
