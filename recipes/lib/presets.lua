-- Known data sets: where they are on the hub, and how their rows become documents.
--
-- `--data gsm8k` reads the hub (or its local cache), `--data gsm8k:FILE` the same rows from a file or folder.  A preset
-- is what rmkv.data.open takes: templates with loss weights, or a conversation.  Only answers are trained.  To read a
-- set of your own, copy one of these and change the columns.

-- `prompt` ends its last line itself: what may be missing brings its line end along ("|line").
local answer_only = function(prompt, answer)
  return { parts = { { text = prompt .. "<start>", loss = 0 }, { text = answer .. "<end>" } } }
end

-- Llama-3 headers around each turn, as in the first version of Nemotron's `input`.
local llama3_marks = {
  system = "<|start_header_id|>system<|end_header_id|>",
  user = "<|start_header_id|>user<|end_header_id|>",
  assistant = "<|start_header_id|>assistant<|end_header_id|>",
}

return {
  fineweb = {
    about = "web text, 15 parquet files of 2 GB (ODC-By)",
    path = "hub:HuggingFaceFW/fineweb:sample-10BT/train",
    options = { text = "{text}", special_tokens = false },
  },
  glaive = {
    about = "questions, reasoning between <think> and </think>, answers (Apache-2.0)",
    path = "hub:glaiveai/reasoning-v1-20m",
    options = answer_only("{prompt|trim}\n", "{response|trim}"),
  },
  -- Sets with the reasoning in a column of its own.
  reasoning = {
    about = "prompt, reasoning and answer in three columns; the reasoning is wrapped in <think>",
    options = answer_only("{prompt|trim}\n", "{reasoning|or:|trim|think}{answer|trim}"),
  },
  nemotron = {
    about = "chat part of Llama-Nemotron post-training (CC-BY-4.0)",
    path = "hub:nvidia/Llama-Nemotron-Post-Training-Dataset:SFT/chat",
    options = {
      parts = {
        -- Later versions say "detailed thinking on" in a column of its own.
        { text = "{system_prompt|or:|trim|line}", loss = 0 },
        {
          messages = { field = "input", marks = llama3_marks, remove = { "<|eot_id|>", "<|begin_of_text|>" } },
        },
        -- The answer to the last turn, without marks; the first version ends it with <|eot_id|>.
        {
          messages = {
            field = "output", marks = llama3_marks, remove = { "<|eot_id|>" },
            turns = { user = { after = "<end>", loss = 1 } },
          },
        },
      },
    },
  },
  dolly = {
    about = "15,000 instructions written by people (CC-BY-SA-3.0)",
    path = "hub:databricks/databricks-dolly-15k",
    options = answer_only("{instruction|trim}\n{context|or:|trim|line}", "{response|trim}"),
  },
  gsm8k = {
    about = "school mathematics, steps as thoughts (MIT)",
    path = "hub:openai/gsm8k:main/train",
    options = answer_only("{question|trim}\n", "{answer|before:####|calculations|trim|think}{answer|after:####|trim}"),
  },
  ["hh-rlhf"] = {
    about = "conversations, the preferred answers (MIT)",
    path = "hub:Anthropic/hh-rlhf",
    options = {
      messages = { field = "chosen", marks = { user = "\n\nHuman:", assistant = "\n\nAssistant:" } },
    },
  },
  chat = {
    about = "any set with a list of {role, content} in `messages`",
    options = { messages = {} },
  },
}
