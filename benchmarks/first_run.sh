#!/usr/bin/env bash
# Time of both commands on a fresh checkout with an empty pip cache: `make run` to the first classified photo or
# reasoned refusal, a second `make run`, and `make test`.
#
# Usage: benchmarks/first_run.sh [PHOTO]
set -euo pipefail
photo=$(realpath "${1:-$(dirname "$0")/../docs/screenshot.png}")
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d)
port=8917
export PIP_NO_CACHE_DIR=1 PORT=$port

serve_until_answered() {
    local started=$EPOCHREALTIME status
    make -s -C "$folder/checkout" run >"$folder/log" 2>&1 &
    until status=$(curl -s -o "$folder/answer" -w '%{http_code}' -F "photo=@$photo" -F birth_date=1996-05-04 \
        "http://127.0.0.1:$port/api/v1/classifications/") && [[ $status == 201 || $status == 422 ]]; do
        kill -0 $! || { cat "$folder/log"; exit 1; }
        sleep 0.2
    done
    echo "$1: $(bc <<<"$EPOCHREALTIME - $started") s to the first answer ($status)"
    pkill -P $! gunicorn || kill $!
    wait $! 2>/dev/null || true
}

git clone --quiet "$source" "$folder/checkout"
serve_until_answered "make run, fresh"
serve_until_answered "make run, again"
rm -rf "$folder/checkout"
git clone --quiet "$source" "$folder/checkout"
started=$EPOCHREALTIME
make -s -C "$folder/checkout" test | tail -n 1
echo "make test, fresh: $(bc <<<"$EPOCHREALTIME - $started") s"
rm -rf "$folder"
