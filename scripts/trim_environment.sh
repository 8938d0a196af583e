#!/bin/sh
# Take out of an environment what serving promises never reads: other packages' tests, translations
# of lists that are not used, debugging symbols, and the installers. For images; see Dockerfile.
#
#   scripts/trim_environment.sh ENVIRONMENT
set -eu
packages=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cd "$packages"
find . -type d -name tests -prune -exec rm -rf {} +
# Names of countries (3166-1) and regions (3166-2) are read; those of languages and currencies not.
find pycountry/locales -name '*.mo' ! -name 'iso3166-1.mo' ! -name 'iso3166-2.mo' -delete
if command -v strip > /dev/null; then
    find httptools -name '*.so' -exec strip --strip-unneeded {} +
fi
rm -rf pip pip-* setuptools setuptools-* pkg_resources _distutils_hack distutils-precedence.pth
du -sm . | sed 's/\t.*/ MB/'
