# The tokenizer recipe as a filter: every format there and back, exact bytes, options, errors.
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
cd "$work" || exit
tokenizer() { "$rmkv" "$root/recipes/tokenizer.lua" "$@" 2>&1; }

printf 'the cat and the hat and the bat\n\nthe rat <end> sat\n' >text.txt
printf 'caf\303\251 \377\000 <end> x\n' >bytes.txt
has "train" "$(tokenizer train --vocab-size 300 --min_frequency 2 --pattern gpt2 --output t.json text.txt)" "entries"
has "train a hybrid" "$(tokenizer train --vocab-size 300 --alphabet characters --output h.json text.txt)" "entries"
for file in t.json h.json; do
  for format in text json u16 uint32 npy; do
    tokenizer encode --tokenizer "$file" --ids "$format" <bytes.txt >ids
    tokenizer decode --tokenizer "$file" --ids "$format" --input ids >back
    cmp -s bytes.txt back
    same "$file through $format" $? 0
  done
done
# <end> is id 3 of a trained vocabulary, the bytes follow the six special tokens.
same "special" "$(tokenizer encode --tokenizer t.json <<<"<end>")" "3 204"
same "plain" "$(tokenizer encode --tokenizer t.json --plain <<<"<" | cut -d' ' -f1)" "33"
same "lines of JSON" "$(printf '"a"\n"<end>"\n' | tokenizer encode --tokenizer t.json --jsonl)" "$(printf '[70]\n[3]')"
same "lines of ids" "$(printf '[70]\n[3]\n' | tokenizer decode --tokenizer t.json --jsonl)" "$(printf '"a"\n"<end>"')"
same "without special tokens" "$(echo 70 3 | tokenizer decode --tokenizer t.json --no-special)" "a"
has "time" "$(tokenizer encode --tokenizer t.json --time <text.txt)" "encode_seconds 0."
has "inspect" "$(tokenizer inspect --tokenizer t.json <<<"<end>")" "(special)"
has "compare" "$(tokenizer compare --tokenizer t.json --tokenizer h.json <text.txt)" "exact"
has "no such id" "$(echo 12345 | tokenizer decode --tokenizer t.json)" "expected an id from 0 to"
has "no number" "$(echo x | tokenizer decode --tokenizer t.json)" "got 'x', expected token ids"
has "no JSON" "$(echo '{' | tokenizer encode --tokenizer t.json --jsonl)" "line 1: not valid JSON"
has "no file" "$(tokenizer encode --tokenizer none.json <text.txt)" "none.json"
finish
