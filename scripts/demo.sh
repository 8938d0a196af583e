#!/bin/sh
# What a newcomer would type: train, promise, score, look back. `make demo` runs it.
#
#   scripts/demo.sh SAMPLE OUTPUT
set -eu
sample=$1
output=$2
now=2026-02-01 # the moment at which the sample's extract ends

run() {
    printf '\n$ etapromise %s\n' "$*"
    etapromise "$@"
}

run train --shipments "$sample/shipments.parquet" --scans "$sample/scans.parquet" \
    --as-of $now --out "$output/models"

for order in \
    "10023 acme express" \
    "94110 corvid ground" \
    "60614 birdpost ground"; do
    set -- $order
    run quote --model "$output/models/current" --origin 93192 --destination "$1" \
        --carrier "$2" --service "$3" --ordered-at ${now}T10:30-05:00 --format text
done

run quote --model "$output/models/current" --origin 93192 --destination 94110 \
    --carrier acme --service ground --ordered-at ${now}T10:30-05:00 --service-level 0.95

run score --model "$output/models/current" --as-of $now \
    --shipments "$sample/open_orders.parquet" --out "$output/scored.parquet"

run backtest --shipments "$sample/shipments.parquet" --scans "$sample/scans.parquet" \
    --from 2025-12-01 --to 2026-01-20 --out "$output/report"

printf '\nThe report: %s\n' "$(cd "$output/report" && pwd)/report.html"
