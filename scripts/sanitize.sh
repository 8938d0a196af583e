#!/bin/sh
# Build the kernels with sanitizers beside a copy of the package, and run a command with them.
#
#   sh scripts/sanitize.sh address,undefined python -m pytest -q tests/native tests/forecast
#   sh scripts/sanitize.sh thread python -m tests.fuzz.hot_swap
#
# Needs GCC or Clang on Linux. Memory that Python itself never gives back is no finding.
set -eu
sanitizers=$1
shift
copy=build/sanitized
rm -rf "$copy"
mkdir -p "$copy/build_backend"
cp -r src "$copy/"
cp build_backend/compiler.py "$copy/build_backend/"
rm -f "$copy"/src/etapromise/native/_etapromise.*
ETAPROMISE_SANITIZE=$sanitizers python "$copy/build_backend/compiler.py" >&2
case $sanitizers in
*thread*) libraries=libtsan.so ;;
*) libraries="libasan.so libubsan.so" ;;
esac
preload=
for library in $libraries; do
	preload="$preload $(${CC:-cc} -print-file-name=$library)"
done
PYTHONPATH="$PWD/$copy/src${PYTHONPATH:+:$PYTHONPATH}" \
	PYTHONMALLOC=malloc LD_PRELOAD="$preload" \
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	TSAN_OPTIONS="suppressions=$PWD/scripts/thread_sanitizer.txt:exitcode=66" \
	exec "$@"
