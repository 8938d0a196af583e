#!/bin/sh
# Builds the wheel twice, from two copies of the sources, and compares them bit by bit.
#
#   sh scripts/same_wheel.sh
set -eu
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for copy in one another; do
	mkdir "$place/$copy"
	git archive HEAD | tar -x -C "$place/$copy"
	python -m pip wheel --quiet --no-deps --disable-pip-version-check \
		--wheel-dir "$place/$copy/wheel" "$place/$copy"
done
sha256sum "$place"/*/wheel/*.whl
cmp "$place"/one/wheel/*.whl "$place"/another/wheel/*.whl
echo "the same wheel twice"
