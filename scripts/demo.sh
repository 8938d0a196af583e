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

# quote ORIGIN ITS-REGION DESTINATION ITS-REGION CARRIER SERVICE OPTIONS…
quote() {
    origin=$1 origin_region=$2 destination=$3 destination_region=$4 carrier=$5 service=$6
    shift 6
    run quote --model "$output/models/current" --ordered-at ${now}T10:30-06:00 \
        --origin "$origin" --origin-region "$origin_region" --origin-country US \
        --destination "$destination" --destination-region "$destination_region" \
        --destination-country US --carrier "$carrier" --service "$service" "$@"
}

run train --shipments "$sample/shipments.parquet" --scans "$sample/scans.parquet" \
    --as-of $now --out "$output/models"

quote 55690 MN 90585 CA dromedary ground --format text
quote 60492 IL 31305 GA birdpost ground --format text
quote 31194 GA 32542 FL corvid express --format text
quote 31194 GA 32542 FL corvid express --service-level 0.95

run score --model "$output/models/current" --as-of $now \
    --shipments "$sample/open_orders.parquet" --out "$output/scored.parquet"

run score --model "$output/models/current" --as-of $now --scans "$sample/scans.parquet" \
    --shipments "$sample/open_orders.parquet" --out "$output/tracked.parquet"

run backtest --shipments "$sample/shipments.parquet" --scans "$sample/scans.parquet" \
    --from 2025-12-01 --to 2026-01-20 --out "$output/report"

printf '\nThe report: %s\n' "$(cd "$output/report" && pwd)/report.html"
