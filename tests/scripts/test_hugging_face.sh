# Tokenizers against Hugging Face's library, a thousand texts for every shape ($RMKV_TEXTS: another number).  Skipped where
# python3 ($RMKV_PYTHON) has no module `tokenizers`, or the real data is not there.
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
python=${RMKV_PYTHON:-python3}
data=${RMKV_DATA:-$root/../shared/data}
[ -x "$rmkv" ] || skip "$rmkv is not built"
"$python" -c "import tokenizers" 2>/dev/null || skip "$python has no module tokenizers"
[ -d "$data/tokenizer" ] || skip "no real data"
out=$("$python" "$root/tests/scripts/hugging_face_sweep.py" "$rmkv" --data "$data" --texts "${RMKV_TEXTS:-1000}" 2>&1)
same "status of the sweep" $? 0
has "differences" "$out" "
0 differences"
finish
