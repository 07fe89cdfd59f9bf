import { explorerPage, type PageHead } from "./page";
import type { PageScene } from "./scene";

/** An attention map as a page holds it: bytes, the last index running fastest. */
export interface PageMap {
  readonly heads: number;
  /** Lengths of the axes. */
  readonly shape: readonly number[];
  /** uint8, base64: 255 stands for `scale`. */
  readonly weights: string;
  readonly scale: number;
}

/** Attention from words to the patches of all views. */
export interface WordMap extends PageMap {
  readonly words: readonly string[];
  /** Patches a side of a view, after pooling. */
  readonly side: number;
}

export interface PageMaps {
  /** [patch, head, asking view, view looked at] */
  readonly inter?: PageMap;
  /** [view, head, asking patch, patch looked at] */
  readonly intra?: PageMap;
  /** [layer, head, word, view, token] */
  readonly words?: WordMap;
}

/** What the runs of a page attend to in one scene, given one sentence. */
export interface SceneMaps {
  readonly scene: PageScene;
  readonly sentence: string;
  /** Patches a side of a view. */
  readonly grid: number;
  /** Of each run, in the page's order. */
  readonly maps: readonly PageMaps[];
}

export interface AttentionPage extends PageHead {
  /** Names of one run or of two that are compared. */
  readonly runs: readonly string[];
  readonly scenes: readonly SceneMaps[];
}

/** Packs weights of 0 and more into bytes, with at most 1/510 of the largest as error. */
export function packMap(weights: ArrayLike<number>, shape: readonly number[], heads: number): PageMap {
  let scale = 0;
  for (let i = 0; i < weights.length; i++) scale = Math.max(scale, weights[i]!);
  const bytes = Uint8Array.from({ length: weights.length }, (_, i) => Math.round((255 * weights[i]!) / (scale || 1)));
  return { heads, shape, scale, weights: Buffer.from(bytes).toString("base64") };
}

/** A page of attention: choose a scene, click a patch or a word and see where it looks, in one run or in two. */
export function attentionPage({ title, source, synthetic, ...data }: AttentionPage): string {
  return explorerPage({ title, source, synthetic }, { kind: "attention", ...data });
}
