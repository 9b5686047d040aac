# A process that streams data and is killed with -9 again and again reads, in the end, what one reads that was never
# stopped: every kind of source, alone and together, filters, packing, units, moving shares, several epochs, other
# numbers of threads.  RMKV_KILLS says how many kills of each (2).
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
kills=${RMKV_KILLS:-2}
cd "$work" || exit
export OMP_NUM_THREADS=1

# Data of every kind from one set of short stories.
"$rmkv" -e "
  local story = require('sources.storyworld').document
  local system, rows, texts = rmkv.system, {}, {}
  system.make_folders('texts') system.make_folders('shards') system.make_folders('coming')
  for i = 1, 240 do
    texts[i] = story(i % 200 + 1, 7)  -- the last forty are there twice
    rows[i] = rmkv.json.encode { text = texts[i] }
  end
  for i = 0, 11 do system.write_file('texts/' .. i .. '.txt', table.concat(texts, '\n\n', i * 20 + 1, i * 20 + 20)) end
  system.write_file('rows.jsonl', table.concat(rows, '\n') .. '\n')
  system.write_file('coming/0.jsonl', table.concat(rows, '\n', 1, 60) .. '\n')
  system.write_file('later.jsonl', table.concat(rows, '\n', 61, 200) .. '\n')
  local lines = { 'text' }
  for i, text in ipairs(texts) do lines[i + 1] = '\"' .. text:gsub('\"', '\"\"') .. '\"' end
  system.write_file('table.csv', table.concat(lines, '\n') .. '\n')
  local ok = pcall(rmkv.data.write_parquet, 'shards/0.parquet', { text = texts }, { group_rows = 30 })
  local tokens = rmkv.tokenizer.bytes():encode(table.concat(texts, '\n'))
  local ids = {}
  for i, id in ipairs(tokens) do ids[i] = string.char(id % 256, 0) end
  local header = '{\'descr\': \'<u2\', \'fortran_order\': False, \'shape\': (' .. #ids .. ',), }'
  header = header .. (' '):rep(64 - (10 + #header + 1) % 64) .. '\n'
  system.write_file('ids.npy', '\147NUMPY\1\0' .. string.char(#header % 256, math.floor(#header / 256)) .. header .. table.concat(ids))
" || { echo "cannot make the data"; exit 1; }
gzip -k rows.jsonl && mv rows.jsonl.gz packed.jsonl.gz
zstd -q rows.jsonl -o packed.jsonl.zst 2>/dev/null || cp packed.jsonl.gz other.jsonl.gz
zst=packed.jsonl.zst; [ -e $zst ] || zst=other.jsonl.gz

# stream NAME THREADS OPTIONS...
stream() {
  "$rmkv" "$root/tests/scripts/stream.lua" --out "$1.out" --cursor "$1.cursor" --cache cache --threads "$2" "${@:3}" \
    >>"$1.log" 2>&1 </dev/null
}

# check NAME STEPS OPTIONS...: one whole stream, one that is killed.
check() {
  local name=$1 steps=$2 hit=0 pid target i
  shift 2
  stream "$name.whole" 0 --steps "$steps" "$@" || { echo "$name:"; cat "$name.whole.log"; failures=$((failures + 1)); return; }
  for ((kill = 1; kill <= kills; kill++)); do
    target=$((RANDOM % (steps / (kills + 1)) + (kill - 1) * steps / (kills + 1) + 3))
    stream "$name.killed" $((kill % 3)) --steps "$steps" --pause 0.02 "$@" & pid=$!
    for ((i = 0; i < 4000; i++)); do
      [ "$(tail -n 1 "$name.killed.out" 2>/dev/null | cut -d' ' -f1)0" -ge "${target}0" ] 2>/dev/null && break
      kill -0 $pid 2>/dev/null || break
      sleep 0.01
    done
    pkill -9 -P $pid 2>/dev/null && hit=$((hit + 1))
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
  done
  [ $hit -gt 0 ] || same "$name: kills that hit" 0 "1 or more"
  stream "$name.killed" 2 --steps "$steps" "$@" || { echo "$name:"; cat "$name.killed.log"; failures=$((failures + 1)); return; }
  # A killed stream writes some steps twice: all lines of a step have to be equal.
  same "$name, killed $kills times" "$(sort -un "$name.killed.out" | md5sum)" "$(sort -un "$name.whole.out" | md5sum)"
  same "$name: steps" "$(sort -u "$name.killed.out" | wc -l)" "$steps"
}

check texts 90 --data texts
check jsonl 90 --data rows.jsonl --filter dedup,length=100
check gzip 60 --data packed.jsonl.gz
check zstd 60 --data "$zst" --packing best_fit
check csv 60 --data table.csv
check ids 60 --data ids.npy
check lua 60 --data storyworld
mixed=(--data texts*5 --data rows.jsonl --data storyworld*0.5 --data table.csv*2 --filter gopher_repetition,dedup --unit bytes)
if [ -e shards/0.parquet ]; then
  check parquet 60 --data shards
  mixed+=(--data shards)
fi
check mixed 150 "${mixed[@]}" --packing best_fit

# A watched folder: a file joins while the first stream reads; the second replays the journal of the first.
touch -d '1 minute ago' later.jsonl
mkdir journals
stream watch.whole 0 --steps 400 --pause 0.005 --data watch:coming --journal journals & pid=$!
for ((i = 0; i < 2000; i++)); do [ -s watch.whole.out ] && break; sleep 0.01; done
cp -p later.jsonl coming/1.jsonl
wait $pid || { cat watch.whole.log; exit 1; }
has "the file joined, and the journal says when" "$(cat journals/watched_coming.jsonl)" '1.jsonl'
cp -p later.jsonl coming/2.jsonl  # too late for epochs that are decided
stream watch.again 2 --steps 400 --data watch:coming --journal journals || cat watch.again.log
same "a watched folder, replayed" "$(md5sum <watch.again.out)" "$(md5sum <watch.whole.out)"

# Files that changed or went away are named.
cp mixed.whole.cursor named.cursor
echo '{"text": "one more"}' >>rows.jsonl
stream named 1 --steps 200 "${mixed[@]}" --packing best_fit
has "a changed file is named" "$(cat named.log)" "rows.jsonl"
has "and how" "$(cat named.log)" "bytes, was"
mv texts/3.txt elsewhere
stream named 1 --steps 200 "${mixed[@]}" --packing best_fit
has "a missing file is named" "$(cat named.log)" "3.txt: missing"
finish
