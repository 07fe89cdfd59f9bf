"""Token ids by PyPI's `tokenizers`: a tokenizer.json and a JSON list of texts in, a JSON list of id lists out.

Usage: python qwen_tokens.py tokenizer.json < texts.json
"""

import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
texts = json.load(sys.stdin)
json.dump([encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)], sys.stdout)
