# Shares of the sources that a plan changes while a run goes on: journalled, and taken again at the same steps by a run
# that is killed with -9 and resumed, from before the change and from behind it.
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
cd "$work" || exit
mkdir texts
"$rmkv" -e "for i = 1, 60 do rmkv.system.write_file('texts/' .. i .. '.txt', require('sources.storyworld').document(i, 7)) end"

# A copy of the recipe whose plan ends with the given line.
recipe() { sed "s/^    segments = schedule.constant(opt.segments),/&\n    weights = $2,/" "$root/recipes/pretrain.lua" >"$1"; }
before='function(p) return { storyworld = 1 + p, texts = 1 } end'
after='function() return { storyworld = 1, texts = 9 } end'
train() {  # RECIPE OUT OPTIONS...
  "$rmkv" "$1" --out "$2" --data texts --data storyworld --set_model channels=32 --set_model layers=1 --set_model heads=1 \
    --set_model slots=4 --segment 16 --vocabulary 300 --batch 2 --segments 4 --steps 60 --save_every 10 --keep 100 \
    --eval_every 0 --sample_every 0 --eval_tokens 500 --dtype fp32 --threads 1 --seed 5 "${@:3}" >>"$2.out" 2>&1 </dev/null
}
wait_for() { for ((i = 0; i < 3000; i++)); do grep -q "$1" "$2" 2>/dev/null && return; sleep 0.01; done; same "$2" "no '$1'" "$1"; }

recipe mine.lua "$before"
train mine.lua run & pid=$!
wait_for '"step":12[,}]' run/logs/steps.jsonl
recipe mine.lua "$after"
touch run/reload
wait_for '"event":"reload"' run/journal.jsonl
changed=$(grep '"event":"reload"' run/journal.jsonl | sed 's/.*"step":\([0-9]*\).*/\1/')
wait_for "\"step\":$((changed + 3))[,}]" run/logs/steps.jsonl
pkill -9 -P $pid 2>/dev/null
kill -9 $pid
wait $pid 2>/dev/null
[ "${changed:-0}" -lt 55 ] || skip "the machine was too slow to change the plan in time"

# What the whole run would have been: the same shares by step.
recipe whole.lua "function(p, step) return step <= $changed and { storyworld = 1 + p, texts = 1 } or { storyworld = 1, texts = 9 } end"
train whole.lua whole || { cat whole.out; exit 1; }
has "the new shares are in the data's report" "$(grep '"event":"data"' whole/journal.jsonl | tail -n 1)" '"realized_share"'

for point in latest 10 $((changed / 10 * 10)); do
  cp -r run "again.$point"
  from=latest
  [ "$point" = latest ] || from=$work/again.$point/rmkv_pretrain_step_$point
  train mine.lua "again.$point" --resume "$from" || { cat "again.$point.out"; exit 1; }
  same "resumed from $point: losses" "$(md5sum <"again.$point/logs/steps.jsonl")" "$(md5sum <whole/logs/steps.jsonl)"
  same "resumed from $point: model" "$(md5sum <"again.$point/rmkv_pretrain_final/model.safetensors")" \
    "$(md5sum <whole/rmkv_pretrain_final/model.safetensors)"
done

# A file that is edited while the run stands still holds from there, and is said to.
cp -r run edited
recipe mine.lua 'function() return { storyworld = 3, texts = 1 } end'
train mine.lua edited --resume latest
has "an edit between two calls is noted" "$(cat edited.out)" "holds from this step on"

# Data that changed since: named, with what to do.
echo more >>texts/7.txt
train mine.lua edited2 --resume "$work/run/rmkv_pretrain_step_10"
has "a changed file is named" "$(cat edited2.out)" "7.txt"
has "with a way out" "$(cat edited2.out)" "reset_epochs"
finish
