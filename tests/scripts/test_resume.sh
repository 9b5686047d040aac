# A run that is killed and resumed ends with the same weights and the same logged losses, bit for bit, as one that
# was never stopped: mixing, packing, lanes, prefetch and checkpoints at work.  RMKV_KILLS says how many kills (3).
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
kills=${RMKV_KILLS:-3}

mkdir "$work/texts"
for i in 1 2 3 4 5 6; do "$rmkv" -e "for i = 1, 40 do print((require('sources.storyworld').document(i * $i, 7))) end" >"$work/texts/$i.txt"; done
cat "$work"/texts/*.txt | awk 'length > 20 { gsub(/["\\]/, ""); printf "{\"text\": \"%s\"}\n", $0 }' >"$work/rows.jsonl"

# train NAME FAMILY [OPTIONS]
train() {
  local family=(--set_model heads=2 --set_model slots=4)
  [ "$2" = rmkv ] || family=(--model "$2" --set_model head_size=16)
  "$rmkv" "$root/recipes/pretrain.lua" --out "$work/$1" --data storyworld*5 --data "$work/texts" --data "$work/rows.jsonl" \
    --set_model channels=32 --set_model layers=2 "${family[@]}" --segment 16 --vocabulary 400 \
    --batch 3 --segments 4 --steps 60 --save_every 7 --eval_every 25 --sample_every 0 --eval_tokens 2000 --dtype fp32 \
    --threads 1 --seed 5 "${@:3}" >>"$work/$1.out" 2>&1 </dev/null
}

# Killed at a random moment, again and again; what is left is finished by the last call.
kill_and_resume() {  # NAME FAMILY KILLS [OPTIONS]
  local whole=$1.whole killed=$1.killed family=$2 kills=$3 options=("${@:4}")
  train "$whole" "$family" "${options[@]}" || { cat "$work/$whole.out"; exit 1; }
  for ((kill = 1; kill <= kills; kill++)); do
    train "$killed" "$family" "${options[@]}" & pid=$!
    target=$((RANDOM % (50 / kills) + (kill - 1) * 50 / kills + 8))  # behind the first checkpoint
    for ((i = 0; i < 6000; i++)); do
      steps=$(wc -l 2>/dev/null <"$work/$killed/logs/steps.jsonl" || echo 0)
      [ "${steps:-0}" -ge $target ] && break
      kill -0 $pid 2>/dev/null || break
      sleep 0.01
    done
    pkill -9 -P $pid 2>/dev/null
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
  done
  train "$killed" "$family" "${options[@]}" || { tail -20 "$work/$killed.out"; exit 1; }

  same "$1: losses of the killed run" "$(md5sum <"$work/$killed/logs/steps.jsonl")" \
    "$(md5sum <"$work/$whole/logs/steps.jsonl")"
  for part in model optimizer state; do
    same "$1: $part of the killed run" "$(md5sum <"$work/$killed/rmkv_pretrain_final/$part.safetensors")" \
      "$(md5sum <"$work/$whole/rmkv_pretrain_final/$part.safetensors")"
  done
  same "$1: steps logged" "$(wc -l <"$work/$whole/logs/steps.jsonl")" 60
  has "$1: a resumed run says so" "$(cat "$work/$killed.out")" "resumed from"
}

kill_and_resume rmkv rmkv "$kills"
kill_and_resume rmkv-8bit rmkv 1 --optimizer_state 8bit --dtype bf16
kill_and_resume rmkv-muon rmkv 1 --optimizer muon --optimizer_state bf16
kill_and_resume rwkv7 rwkv7 1
finish
