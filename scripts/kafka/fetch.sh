#!/usr/bin/env bash
# Put the jars of a real Apache Kafka into a cache outside the checkout and print their folder.
# Needs mvn, and the network on the first run only. A half-finished download is never mistaken
# for a whole one: it lies in a temporary folder until its marker, the pom it was made from, is
# written.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
target=${XDG_CACHE_HOME:-$HOME/.cache}/barograph/kafka-$version

if ! cmp -s "$here/pom.xml" "$target/complete.xml"; then
  command -v mvn >/dev/null || { echo "mvn is missing: install Maven (and Java 17)" >&2; exit 3; }
  mkdir -p "$(dirname "$target")"
  partial=$(mktemp -d "$target.partial.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  # The pom is copied so that Maven leaves nothing in the checkout.
  cp "$here/pom.xml" "$partial/pom.xml"
  mvn -B -q -f "$partial/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$partial/libs" >&2
  mv "$partial/pom.xml" "$partial/complete.xml"
  rm -rf "$target"
  # Somebody else may have been faster; both copies are the same.
  mv -T "$partial" "$target" 2>/dev/null || cmp -s "$here/pom.xml" "$target/complete.xml"
fi
echo "$target/libs"
