-- Write one text from a prompt.  Only the text goes to stdout.
--
--   rmkv single --prompt "Once upon a time" --tokens 300 --temperature 0.8 --top_p 0.9 --seed 7
--   rmkv single --checkpoint model.safetensors --tokenizer rwkv_vocab_v20230424.txt --prompt - < beginning.txt

local generation = require "lib.generation"

local opt = generation.options {
  prompt = { "", "the beginning; - reads it from stdin" },
  model_name = { "", "the same as --checkpoint: a run in checkpoints/, or a path" },
  max_num_tokens = { 0, "the same as --tokens", min = 0 },
  echo = { false, "print the prompt too" },
}

local prompt = opt.prompt == "-" and io.read "*a" or opt.prompt
if prompt == "" then prompt = "Once upon a time there was" end
if opt.model_name ~= "" then opt.checkpoint = opt.model_name end

local session = generation.open(opt)
session:feed(prompt)
if opt.echo then rmkv.system.write(prompt) end
local tokens = opt.max_num_tokens > 0 and opt.max_num_tokens or opt.tokens
for piece in session:stream { tokens = tokens, stop = opt.stop } do rmkv.system.write(piece) end
rmkv.system.write "\n"
