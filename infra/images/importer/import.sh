#!/bin/sh
# Pulls a model's files into CACHE, checks each one, and shows them to the server all at once.
# ARTEFACT is a reference by digest; KEYS and CA are files, and may be missing.
set -eu
: "${ARTEFACT:?}" "${CACHE:?}"
mark="$CACHE/.imported"
new="$CACHE/.importing"
if [ "$(cat "$mark" 2>/dev/null || true)" = "$ARTEFACT" ]; then
  echo "the files of $ARTEFACT are there"
  exit 0
fi
rm -rf "$new"
mkdir -p "$new/files" "$new/tmp"
set -- --output "$new/files"
[ ! -r "${KEYS:-}" ] || set -- "$@" --registry-config "$KEYS"
[ ! -r "${CA:-}" ] || set -- "$@" --ca-file "$CA"
# on the volume: the packed files may be larger than the node's own disk
TMPDIR="$new/tmp" oras pull --no-tty "$@" "$ARTEFACT"
cd "$new/files"
if [ ! -s SHA256SUMS ]; then
  echo "$ARTEFACT has no SHA256SUMS, so its files cannot be checked"
  exit 1
fi
sha256sum --check --strict --quiet SHA256SUMS
find . -type f ! -path ./SHA256SUMS | sed 's,^\./,,' | sort > "$new/tmp/there"
cut -c67- SHA256SUMS | sed 's,^\./,,' | sort > "$new/tmp/listed"
if ! spare="$(comm -23 "$new/tmp/there" "$new/tmp/listed")" || [ -n "$spare" ]; then
  echo "$ARTEFACT has files that its SHA256SUMS does not list:"
  echo "$spare"
  exit 1
fi
rm -f "$mark"
for each in "$new/files"/* "$new/files"/.[!.]*; do
  [ -e "$each" ] || [ -L "$each" ] || continue
  rm -rf "${CACHE:?}/${each##*/}"
  mv "$each" "$CACHE/"
done
rm -rf "$new"
printf '%s' "$ARTEFACT" > "$mark.new"
mv "$mark.new" "$mark"
echo "$(wc -l < "$CACHE/SHA256SUMS") files of $ARTEFACT are in place"
