#!/bin/sh
# The tour with curl: a person registers, a program gets a key, two documents go in, a question is answered with a citation. Needs curl and jq or Node.
#   sh examples/curl/tour.sh [http://127.0.0.1:3000]
set -eu

server=${1:-${MORAG_URL:-http://127.0.0.1:3000}}
here=$(dirname "$0")
answer=$(mktemp)
headers=$(mktemp)
trap 'rm -f "$answer" "$headers"' EXIT

# What of a JSON answer, as a jq path: .api_key.id
if command -v jq >/dev/null; then get() { jq -r "$1 // empty" "$answer"; }
else get() { node -e 'const at = process.argv[2].split(/[.[\]]+/).filter(Boolean).reduce((value, name) => value?.[name], JSON.parse(fs.readFileSync(process.argv[1], "utf8"))); console.log(typeof at === "object" && at !== null ? JSON.stringify(at) : (at ?? ""))' "$answer" "$1"; }
fi

# call METHOD PATH [curl options]: the status is in $status, the body in $answer. Where the server asks to wait, or says that it may help, it is tried again.
# Not without any answer, since then a POST may have done its work.
call() {
  method=$1 path=$2 pause=1
  shift 2
  for try in 1 2 3 4 5; do
    status=$(curl -sS -o "$answer" -D "$headers" -w '%{http_code}' -X "$method" "$server$path" "$@") || { echo "no answer from $server" >&2; exit 1; }
    if [ "$status" -lt 400 ] || [ "$try" = 5 ]; then return 0; fi
    wait=$(tr -d '\r' <"$headers" | sed -n 's/^[Rr]etry-[Aa]fter: //p')
    if [ -z "$wait" ] && [ "$(get .retryable)" != true ]; then return 0; fi
    sleep "${wait:-$pause}"
    pause=$((pause * 2))
  done
}

# The same, for a call that has to succeed.
must() {
  call "$@"
  [ "$status" -lt 400 ] && return 0
  echo "$method $path was answered with $status $(get .code): $(get .detail) (request $(get .request_id))" >&2
  exit 1
}

json='Content-Type: application/json'

email="tour-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')@example.com"
must POST /auth/register -H "$json" -d "{\"name\":\"Curl Tourist\",\"email\":\"$email\",\"password\":\"correct-horse-battery\"}"
must POST /auth/login -H "$json" -d "{\"email\":\"$email\",\"password\":\"correct-horse-battery\"}"
person="Authorization: Bearer $(get .access_token)"
echo "signed in as $email"

must POST /api/v1/api-keys -H "$person" -H "$json" -d '{"name":"tour","permissions":["read","ingest","search"]}'
key_id=$(get .api_key.id)
key="X-API-Key: $(get .secret_key)"
echo "made the key $(get .api_key.key_prefix)… that may read, ingest and search"

# wait_for TASK: until its job has ended.
wait_for() {
  for _ in $(seq 300); do
    must GET "/api/v1/status/$1" -H "$key"
    case "$(get .status)" in
      completed) return 0 ;;
      failed | cancelled) echo "the document came to nothing: $(get .error)" >&2; exit 1 ;;
    esac
    sleep 0.2
  done
  echo "the document is still not done after a minute" >&2
  exit 1
}

must POST /api/v1/ingest/text -H "$key" -H "$json" -d '{"title":"Minutes","content":"# Minutes\n\n## Budget\n\nThe board approved a new hive scale for the tower."}'
wait_for "$(get .task_id)"
echo "ingested a text"

must POST /api/v1/ingest/file -H "$key" -F "file=@$here/../lighthouse-bees.pdf" -F 'metadata={"shelf":"crafts"}'
wait_for "$(get .task_id)"
echo "ingested a PDF"

must POST /api/v1/search -H "$key" -H "$json" -d '{"query":"How much honey did the hive on the south wall keep?","top_k":1}'
echo "found: $(get '.results[0].citation.document_title'), page $(get '.results[0].citation.page_from'), characters $(get '.results[0].citation.char_start') to $(get '.results[0].citation.char_end')"

must GET /api/v1/tenant/info -H "$key"
echo "in use: $(get .usage_stats.documents) documents of the tenant's quota"

# The same file again is refused, and the code says what to do about it.
call POST /api/v1/ingest/file -H "$key" -F "file=@$here/../lighthouse-bees.pdf"
if [ "$(get .code)" = duplicate_document ]; then echo "refused: $status duplicate_document, it is there already"
else echo "expected duplicate_document, got $status $(get .code)" >&2; exit 1; fi

must DELETE "/api/v1/api-keys/$key_id" -H "$person"
call GET /api/v1/documents -H "$key"
if [ "$(get .code)" = invalid_credentials ]; then echo "revoked the key: $status invalid_credentials"
else echo "the revoked key was answered with $status" >&2; exit 1; fi
