# The recipes as a newcomer runs them: train a little, write, measure, compare logits, tokenise, chat, reload a plan.
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
cd "$work" || exit
recipes=$root/recipes
small=(--set_model channels=32 --set_model layers=2 --set_model heads=1 --segment 16 --vocabulary 400 --batch 2
  --eval_tokens 1000 --threads 1 --sample_every 0 --dtype fp32)

out=$("$rmkv" "$recipes/pretrain.lua" --out run --steps 12 --save-every=5 --eval_every 6 "${small[@]}" 2>&1 </dev/null)
same "status of pretrain" $? 0
has "the loss is shown" "$out" "bits/byte"
has "what memory is worth is shown" "$out" "memory is worth"
has "the next command is named" "$out" "recipes/single.lua --checkpoint"
same "checkpoints kept" "$(cd run && ls -d rmkv_*)" "$(printf 'rmkv_pretrain_final\nrmkv_pretrain_step_10\nrmkv_pretrain_step_5')"
again=$("$rmkv" "$recipes/pretrain.lua" --out run --steps 12 "${small[@]}" --resume latest 2>&1 </dev/null)
has "a complete run says so" "$again" "this run is complete (step 12 of 12)"
has "and what to type next" "$again" "recipes/single.lua --checkpoint"

# An untrained model may write NUL, which the shell cannot hold.
write() {
  "$rmkv" "$recipes/single.lua" --checkpoint run --prompt "Once" --tokens 20 --temperature 0.8 --top_p 0.9 "$@" |
    tr '\0' '?'
}
same "the same seed writes the same" "$(write --seed 7)" "$(write --seed 7)"
[ "$(write --seed 7)" != "$(write --seed 8)" ] || same "another seed" "the same text" "another text"

echo "Mira has the red key. Tom went to the mill and came back again." >text.txt
for i in 1 2 3 4 5; do cat text.txt text.txt >more && mv more text.txt; done
json=$("$rmkv" "$recipes/evaluate.lua" --checkpoint run --data text.txt --json)
for key in '"bits_per_byte":' '"tokens":' '"bytes":' '"memory":'; do has "evaluate --json" "$json" "$key"; done

ids=$("$rmkv" "$recipes/tokenizer.lua" encode --tokenizer run/tokenizer.json <text.txt)
same "decode(encode(text))" "$("$rmkv" "$recipes/tokenizer.lua" decode --tokenizer run/tokenizer.json <<<"$ids")" "$(cat text.txt)"

# Every way of feeding 40 ids gives the same logits.
some=$(echo "$ids" | cut -d' ' -f1-40)
logits() { "$rmkv" "$recipes/logits.lua" --checkpoint run --ids "$some" --mode "$1" --all --json >"$1.json"; }
differ() {
  logits "$1"
  "$rmkv" -e "local a, b = rmkv.json.read('parallel.json').logits, rmkv.json.read('$1.json').logits
    local worst = 0
    for i = 1, #a do for j = 1, #a[i] do worst = math.max(worst, math.abs(a[i][j] - b[i][j])) end end
    print(#a == #b and worst < 1e-4 and 'equal' or worst)"
}
logits parallel
same "recurrent logits" "$(differ recurrent)" equal
same "logits in chunks of 7" "$(differ chunks=7)" equal

same "several samples are those of the seeds" "$(write --seed 7 --samples 2)" \
  "$(write --seed 7; echo ---; write --seed 8)"
same "the last line end of a prompt from stdin is left out" "$(echo Once | write --seed 7 --prompt -)" "$(write --seed 7)"

answers=$(printf 'hel\\\nlo\n/again\n/stats\n/undo\n/memory\n/nonsense\n/load none\n/quit\n' | "$rmkv" "$recipes/chat.lua" --checkpoint run --tokens 5)
has "chat takes a turn back" "$answers" "took the last turn back"
has "chat shows the memory" "$answers" "memory.1"
has "chat counts tokens" "$answers" "tokens read and written"
has "chat names unknown commands" "$answers" "no such command"
has "chat survives a file that is not there" "$answers" "none: cannot open"

# Requests: one answer each, from the same start; JSON lines; a row without a request.
instruct() { "$rmkv" "$recipes/instruct.lua" --checkpoint run --tokens 5 "$@" 2>&1 | tr '\0' '?'; }
same "the same request, the same answer" "$(printf 'Tell.\nTell.\n' | instruct | sort -u | wc -l)" 1
has "instruct --json" "$(instruct Tell. --json)" '"prompt":"Tell."'
printf '{"prompt":"a"}\n{"x":1}\n' >rows.jsonl
has "a row without a request" "$(instruct --input rows.jsonl)" "rmkv: rows.jsonl:2: no text in field 'prompt'"

"$rmkv" "$recipes/finetune.lua" --checkpoint run --out tuned --steps 3 --segment 16 --batch 2 --eval_every 0 \
  --eval_tokens 500 --sample_every 0 --threads 1 --dtype fp32 >tuned.txt 2>&1 </dev/null
same "status of finetune" $? 0
out=$(tr '\0' '?' <tuned.txt)
has "fine-tuning starts from a checkpoint" "$out" "from run/rmkv_pretrain_final"
has "and says what to type next" "$out" "recipes/instruct.lua --checkpoint"
"$rmkv" -e 'local a, b = rmkv.checkpoint.load_model "run".model, rmkv.checkpoint.load_model "tuned".model
  print(a:fingerprint() ~= b:fingerprint())' >changed
same "weights were changed" "$(cat changed)" true

"$rmkv" "$recipes/report.lua" run tuned --out page.html >/dev/null
for word in '<svg ' 'bits per byte' 'validation' 'questions about facts' 'Once upon a time'; do
  has "the page of two runs" "$(cat page.html)" "$word"
done
same "tags of the page are closed" "$(grep -o '<svg ' page.html | wc -l)" "$(grep -o '</svg>' page.html | wc -l)"
json=$("$rmkv" "$recipes/probe.lua" --checkpoint run --text "Mira has the red key." --rest " Who has it?" --json)
for key in '"worth":' '"rank":' '"half_life":' '"without":'; do has "probe --json" "$json" "$key"; done

# What a user gets wrong is said in one line or two, without lines of the recipe; nothing is begun.
refused() {  # WHAT PART ARGUMENTS...
  local text
  text=$("$rmkv" "${@:3}" 2>&1 </dev/null)
  same "$1: status" $? 1
  has "$1" "$text" "$2"
}
refused "an unknown option" "--toknes: no such option; did you mean --tokens?" "$recipes/pretrain.lua" --toknes 3
refused "what is no key of the model" "rmkv: rmkv config: unknown key 'cel'" "$recipes/pretrain.lua" --out no --set_model cel=lstm
refused "an unknown architecture" "did you mean 'rwkv7'" "$recipes/pretrain.lua" --out no --model rwkv77
same "before a tokenizer is trained" "$(find no -name "tokenizer*" 2>/dev/null)" ""
refused "no checkpoint" "train a model first" "$recipes/single.lua" --checkpoint none
: >empty.txt
refused "empty data" "empty.txt, which is empty" "$recipes/pretrain.lua" --out e --data empty.txt "${small[@]}"
printf 'lr = \n' >bad.toml
refused "malformed TOML" "bad.toml:1:6" "$recipes/pretrain.lua" --config bad.toml
refused "a source without end" "say how much to read" "$recipes/evaluate.lua" --checkpoint run --data storyworld
refused "no command" "command: got nothing, expected one of train" "$recipes/tokenizer.lua"
refused "no such recipe" "no such file, and no recipe of that name; did you mean 'chat'?" chatt
refused "an absurd size" "--batch: got" "$recipes/pretrain.lua" --batch 1e12
cp -r run damaged
head -c 1000 run/rmkv_pretrain_final/model.safetensors >damaged/rmkv_pretrain_final/model.safetensors
refused "a cut-off checkpoint" "got 1000 bytes, expected" "$recipes/single.lua" --checkpoint damaged/rmkv_pretrain_final
has "its run falls back, and says so" "$(write --checkpoint damaged 2>&1)" "warning: damaged/latest is damaged"
printf 'x' | dd of=damaged/rmkv_pretrain_step_10/model.safetensors bs=1 seek=9000 conv=notrunc 2>/dev/null
refused "a flipped bit" "damaged after it was written" "$recipes/single.lua" --checkpoint damaged/rmkv_pretrain_step_10
cp text.txt more.txt
"$rmkv" "$recipes/pretrain.lua" --out moved --steps 2 --data text.txt --val text.txt "${small[@]}" >/dev/null 2>&1 </dev/null
refused "resuming on other data" "--reset_epochs" "$recipes/pretrain.lua" --out moved --steps 4 --data more.txt \
  --val text.txt "${small[@]}" --resume latest

# An update that ruins the model: what follows is left out, and after three the run goes back to good weights.
sed 's/lr = schedule.warmup_stable_decay.*/lr = function(_, step) return step == 22 and 10 or 1e-3 end,/' \
  "$recipes/pretrain.lua" >diverge.lua
diverge() {
  "$rmkv" diverge.lua --out "$1" --steps 40 --save_every 5 --max_skipped 3 --eval_every 0 --data text.txt --val text.txt \
    "${small[@]}" "${@:2}" 2>&1 </dev/null
}
out=$(diverge back)
same "status of a run that came back" $? 0
has "updates are left out" "$out" "step 23: update left out"
has "the run rolls back" "$out" "rolled back to the weights of step 20"
has "the journal knows" "$(cat back/journal.jsonl)" '"event":"rollback"'
same "the loss is sound again" "$(tail -n 1 back/logs/steps.jsonl | grep -c '"skipped":false')" 1
out=$(diverge stop --save_every 0)
same "status without a checkpoint to go back to" $? 1
has "then it stops with advice" "$out" "lower --lr"

# A recipe is edited while it runs: a faulty edit is refused, a good one taken, both go to the journal.
cp "$recipes/pretrain.lua" mine.lua
"$rmkv" mine.lua --out live --steps 100000 --save_every 0 --eval_every 0 "${small[@]}" >live.out 2>&1 </dev/null &
pid=$!
wait_for() { for ((i = 0; i < 600; i++)); do grep -q "$1" "$2" 2>/dev/null && return; sleep 0.1; done; same "$2" "no '$1'" "$1"; }
wait_for '"step":3[,}]' live/logs/steps.jsonl
sed 's/peak = setup.peak_rate(opt)/peak = nonsense.lr/' "$recipes/pretrain.lua" >mine.lua && touch live/reload
wait_for reload_refused live/journal.jsonl
sed 's/peak = setup.peak_rate(opt)/peak = 0.000123/; s/warmup = 0.03/warmup = 0.0/' "$recipes/pretrain.lua" >mine.lua && touch live/reload
wait_for '"event":"reload",' live/journal.jsonl
wait_for '"lr":0.000123,' live/logs/steps.jsonl
kill -TERM $pid
wait $pid
same "status after SIGTERM" $? 0
has "SIGTERM saves" "$(cat live.out)" "saved"
finish
