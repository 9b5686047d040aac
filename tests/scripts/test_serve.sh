# A model behind HTTP as other programs use it: answers whole and in pieces, refusals, clients that leave, Ctrl-C.
. "$(dirname "$0")/check.sh"
rmkv=${RMKV_TEST_BUILD:-$root/build}/bin/rmkv
[ -x "$rmkv" ] || skip "$rmkv is not built"
command -v python3 >/dev/null || skip "no python3"
cd "$work" || exit
"$rmkv" "$root/recipes/pretrain.lua" --out run --steps 1 --set_model channels=32 --set_model layers=2 \
  --set_model heads=1 --segment 16 --vocabulary 400 --batch 2 --eval_tokens 500 --threads 1 --sample_every 0 \
  --dtype fp32 >/dev/null 2>&1 </dev/null
single() { "$rmkv" "$root/recipes/single.lua" --checkpoint run "$@"; }

# LOG OPTION...: starts a server; sets pid and url.
serve() {
  local log=$1 i
  "$rmkv" "$root/recipes/serve.lua" --checkpoint run --port 0 --api_key secret --threads 1 "${@:2}" >"$log" 2>&1 &
  pid=$!
  for ((i = 0; i < 600; i++)); do grep -q "at http" "$log" && break; sleep 0.1; done
  url=$(grep -o 'http://[0-9.:]*' "$log")
}
serve log

cat >ask.py <<'PYTHON'
import json, sys, urllib.error, urllib.request
url, path, body, key = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]
request = urllib.request.Request(url + path, body.encode() if body else None, {"Authorization": "Bearer " + key})
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(answer.status, answer.read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
PYTHON
ask() { python3 ask.py "$url" "$1" "${2:-}" "${3-secret}"; }
# ask, then a Python expression over the JSON `a` (or over the list of events).
value() { ask "$1" "$2" | python3 -c "
import json, sys
text = sys.stdin.read().split(' ', 1)[1]
a = [json.loads(e[6:]) for e in text.split('\n\n') if e.startswith('data: {')] if text.startswith('data:') else json.loads(text)
print($3)"; }

has "health" "$(ask /health)" '200 {"status":"ok"}'
has "models" "$(ask /v1/models)" '"id":"rmkv_pretrain_final"'
fixed='"max_tokens":20,"seed":7,"temperature":0.8,"top_p":0.9'
# A model that has learned nothing writes stray bytes, which JSON cannot hold.
ascii() { LC_ALL=C tr -cd ' -~'; }
alone=$(single --prompt Once --tokens 20 --seed 7 --temperature 0.8 --top_p 0.9 | ascii)
[ ${#alone} -gt 3 ] || same "letters in the text" "$alone" "some"
same "a completion is what single writes" \
  "$(value /v1/completions "{\"prompt\":\"Once\",$fixed}" "a['choices'][0]['text']" | ascii)" "$alone"
same "and so are its pieces" "$(value /v1/completions "{\"prompt\":\"Once\",\"stream\":true,$fixed}" \
  "''.join(c['text'] for e in a for c in e['choices'])" | ascii)" "$alone"
has "pieces end in a mark" "$(ask /v1/completions "{\"prompt\":\"Once\",\"stream\":true,\"max_tokens\":2}")" 'data: [DONE]'
same "use is counted" "$(value /v1/completions "{\"prompt\":[1,2,3],\"max_tokens\":5,\"stop\":[],\"n\":2}" \
  "[a['usage']['prompt_tokens'], len(a['choices']), a['usage']['completion_tokens'] <= 10]")" "[3, 2, True]"
same "the budget ends it" "$(value /v1/completions '{"prompt":"a","max_tokens":0}' "a['choices'][0]['finish_reason']")" length
same "an echo" "$(value /v1/completions '{"prompt":"a","max_tokens":0,"echo":true}' "a['choices'][0]['text']")" a
chat='"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Who <end> has it?"}],"max_tokens":6,"seed":3'
same "a chat answers as the assistant" "$(value /v1/chat/completions "{$chat}" "a['choices'][0]['message']['role']")" assistant
same "its pieces are the same text" \
  "$(value /v1/chat/completions "{$chat,\"stream\":true}" "''.join(c['delta'].get('content', '') for e in a for c in e['choices'])")" \
  "$(value /v1/chat/completions "{$chat}" "a['choices'][0]['message']['content']")"

# A conversation that goes on: nothing is read twice, and the answer is that of a server that reads all of it.
long='{"role":"system","content":"Be kind."},{"role":"user","content":"Who has it?"}'
more="$long"',{"role":"assistant","content":"Nora < Sam."},{"role":"user","content":"Where is she?"}'
remembered() { value /v1/chat/completions "{\"messages\":[$1],\"max_tokens\":0}" \
  "a['usage']['prompt_tokens_details']['cached_tokens'] * 100 // a['usage']['prompt_tokens']"; }
answer() { ask /v1/chat/completions "{\"messages\":[$1],\"max_tokens\":30,\"seed\":5}" | sed 's/.*"content"//; s/"role".*//'; }
same "a new conversation is read" "$(remembered "$long")" 0
same "the same one is remembered" "$(remembered "$long")" 100
in_parts=$(answer "$more")
same "one that went on is remembered" "$(remembered "$more")" 100
again=$(answer "$more")

has "a wrong key" "$(ask /v1/completions '{"prompt":"a"}' wrong)" 401
has "an unknown path" "$(ask /v2 '{}')" 404
has "a GET" "$(ask /v1/completions)" 405
has "no JSON" "$(ask /v1/completions '{')" '400 {"error":{"message":"the body is no JSON object"'
has "no prompt" "$(ask /v1/completions '{}')" '"param":"prompt"'
has "a temperature out of range" "$(ask /v1/completions '{"prompt":"a","temperature":9}')" 'expected a number from 0 to 2'
has "an id out of range" "$(ask /v1/completions '{"prompt":[100000]}')" 'token ids below 400'
has "an unknown role" "$(ask /v1/chat/completions '{"messages":[{"role":"x","content":"a"}]}')" 'messages[0].role'
has "what cannot be done" "$(ask /v1/completions '{"prompt":"a","logprobs":5}')" 'logprobs: not supported'

# A client that leaves ends its answer: the next one does not wait for a million tokens.
python3 - "${url#http://}" <<'PYTHON'
import socket, sys
host, port = sys.argv[1].split(":")
body = b'{"prompt":"a","max_tokens":1000000,"stream":true,"logit_bias":{"3":-100}}'  # never <end>
with socket.create_connection((host, int(port))) as s:
    s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    s.recv(100)
PYTHON
same "the next request is answered" "$(value /v1/completions '{"prompt":"a","max_tokens":0}' "len(a['choices'])")" 1
has "the log says why" "$(cat log)" "the client left"

second=$("$rmkv" "$root/recipes/serve.lua" --checkpoint run --port "${url##*:}" 2>&1)
has "a port that is taken" "$second" "cannot listen"
kill -INT $pid
wait $pid
same "status after Ctrl-C" $? 0
has "Ctrl-C stops it" "$(tail -n 1 log)" stopped

serve log_forgetful --conversations 0
at_once=$(answer "$more")
[ ${#at_once} -gt 30 ] || same "an answer" "$at_once" "a text"
same "what is remembered does not change the answer" "$in_parts" "$at_once"
same "nor that to the same request" "$again" "$at_once"
same "a forgetful server reads again" "$(remembered "$more")" 0
kill -INT $pid
wait $pid
finish
