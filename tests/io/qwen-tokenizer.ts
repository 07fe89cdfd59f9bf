import type { TokenizerJson } from "../../lib/io/tokenizer";

/**
 * Byte-level BPE writes each byte as a printable character: the printable ones first, as their own ids in that order.
 */
function byteTokens(): string[] {
  const printable = [
    [33, 126],
    [161, 172],
    [174, 255],
  ].flatMap(([from, to]) => Array.from({ length: to! - from! + 1 }, (_, i) => from! + i));
  const others = Array.from({ length: 256 }, (_, b) => b).filter((b) => !printable.includes(b));
  return [...printable.map((b) => String.fromCharCode(b)), ...others.map((_, i) => String.fromCharCode(256 + i))];
}

/**
 * A tokenizer.json of Qwen2's kind (byte-level BPE, its splitting pattern, its three special tokens with their ids of
 * spec 2.9 and 3.1) with hardly any words: every byte, and a full stop with a line's end as one token.
 */
export function qwenTokenizer(): TokenizerJson {
  const vocab: Record<string, number> = {};
  for (const token of [...byteTokens(), ".\u010a"]) vocab[token] = Object.keys(vocab).length;
  const special = (content: string, id: number): TokenizerJson["added_tokens"][number] => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special("<|endoftext|>", 151643), special("<|im_start|>", 151644), special("<|im_end|>", 151645)],
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          behavior: "Isolated",
          invert: false,
          pattern: {
            Regex:
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| " +
              "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
          },
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: [". \u010a"],
    },
  };
}
