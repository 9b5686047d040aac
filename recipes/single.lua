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
  samples = { 1, "texts to write, with seeds --seed, --seed + 1 …; a line of --- between them", min = 1 },
}

-- A file's last line end is no part of its text: the model goes on behind its last word.
local prompt = opt.prompt == "-" and io.read "*a":gsub("\r?\n$", "") or opt.prompt
if prompt == "" then prompt = "Once upon a time there was" end
if opt.model_name ~= "" then opt.checkpoint = opt.model_name end

local start = generation.open(opt)
start:feed(prompt)
if opt.samples > 1 then start:logits() end  -- reads the prompt once for all
local tokens = opt.max_num_tokens > 0 and opt.max_num_tokens or opt.tokens
for i = 1, opt.samples do
  local session = start:fork()
  session:reseed(opt.seed + i - 1)
  if i > 1 then rmkv.system.write "---\n" end
  if opt.echo then rmkv.system.write(prompt) end
  local outcome = generation.write(session, { tokens = tokens, stop = opt.stop })
  rmkv.system.write "\n"
  if rmkv.system.terminal().stderr then
    rmkv.system.write_error(("(%s)\n"):format(generation.outcome_text(outcome)))
  end
end
