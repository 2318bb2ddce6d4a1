"""What checkpoints are made of: names of the files of a tokenizer, and bytes of a number by its type."""

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
