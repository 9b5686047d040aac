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

write() { "$rmkv" "$recipes/single.lua" --checkpoint run --prompt "Once" --tokens 20 --temperature 0.8 --top_p 0.9 "$@"; }
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

answers=$(printf 'hello\n/undo\n/memory\n/nonsense\n/quit\n' | "$rmkv" "$recipes/chat.lua" --checkpoint run --tokens 5)
has "chat takes a turn back" "$answers" "took the last turn back"
has "chat shows the memory" "$answers" "memory.1"
has "chat names unknown commands" "$answers" "no such command"

# A recipe is edited while it runs: a faulty edit is refused, a good one taken, both go to the journal.
cp "$recipes/pretrain.lua" mine.lua
"$rmkv" mine.lua --out live --steps 100000 --save_every 0 --eval_every 0 "${small[@]}" >live.out 2>&1 </dev/null &
pid=$!
wait_for() { for ((i = 0; i < 600; i++)); do grep -q "$1" "$2" 2>/dev/null && return; sleep 0.1; done; same "$2" "no '$1'" "$1"; }
wait_for '"step":3[,}]' live/logs/steps.jsonl
sed 's/peak = opt.lr/peak = nonsense.lr/' "$recipes/pretrain.lua" >mine.lua && touch live/reload
wait_for reload_refused live/journal.jsonl
sed 's/peak = opt.lr/peak = 0.000123/; s/warmup = 0.03/warmup = 0.0/' "$recipes/pretrain.lua" >mine.lua && touch live/reload
wait_for '"event":"reload",' live/journal.jsonl
wait_for '"lr":0.000123,' live/logs/steps.jsonl
kill -TERM $pid
wait $pid
same "status after SIGTERM" $? 0
has "SIGTERM saves" "$(cat live.out)" "saved"
finish
