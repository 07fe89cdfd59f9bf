import { readFileSync } from "node:fs";
import { inProject } from "../../lib/core/root";
import { type TokenizerJson, withTokens } from "../../lib/io/tokenizer";
import { addedTokens } from "../../lib/model/prompt";

const file = inProject("node_modules", "@lenml", "tokenizer-qwen2_5", "models", "tokenizer.json");

/**
 * Qwen2's real tokenizer.json with the model's three added tokens: Qwen2.5 has the same words and merges, and further
 * special tokens behind <|im_end|>, which stand where the model's own are.
 */
export function realQwenTokenizer(): TokenizerJson {
  const json = JSON.parse(readFileSync(file, "utf8")) as TokenizerJson;
  return withTokens({ ...json, added_tokens: json.added_tokens.filter(({ id }) => id <= 151645) }, addedTokens);
}
