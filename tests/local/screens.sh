#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# screens.sh - the pictures of examples/screens are those that its script makes:
# each says of which command it is, shows what that shows, and stands in a README;
# and none is there beside.
#
#   screens.sh              look at the pictures of the tree
#   screens.sh --make DIR   make them anew, with the programs of that build folder,
#                           and look at those
set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$root/examples/screens

python3 -c '' 2>/dev/null || { echo 'SKIP screens: no python3'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$folder/make.sh" --list >"$work/list"
[ -s "$work/list" ] || { echo 'FAIL: make.sh lists nothing'; exit 1; }
if [ "${1:-}" = --make ]; then
	for program in tmux dot gnuplot; do
		command -v $program >/dev/null ||
			{ echo "SKIP screens: no $program"; exit 77; }
	done
	"$folder/make.sh" --build "$2" --to "$work/made"
	folder=$work/made
fi

failed=0
complain() { echo "FAIL: $*"; failed=1; }

# What cannot be missing, whatever the numbers are.
declare -A shown=(
	[demo]='subscriber|rate/s|p99|group|frames|memory|every subscriber received every message|0 lost'
	[echo]='md.acme|lab.oven|symbol=|price=|celsius='
	[top]='TOPIC|STATE|publisher|relay|typed_publish|stuck|q end'
	[topology]='md.acme|md.fast|lab.far|broker screens|stuck'
	[latency]='kernel UDP, sleeping|through the broker, spinning|µs|99.9 %'
)
while IFS=$'\t' read -r name command; do
	file=$folder/$name.svg
	[ -s "$file" ] || { complain "there is no $name.svg"; continue; }
	python3 - "$file" "$command" "${shown[$name]:-}" <<'PYTHON' || failed=1
import re, sys
from xml.etree import ElementTree
path, command, wanted = sys.argv[1:]
name = path.rsplit("/", 1)[1]
source = open(path, encoding="utf-8").read()
tree = ElementTree.parse(path).getroot()
problems = []
if not tree.tag.endswith("svg"):
    problems.append("it is no SVG")
# In a comment two dashes stand apart.
about = re.search(r"<!-- made by examples/screens/make\.sh: (.*); "
                  r"(\d{4}-\d\d-\d\d); (.+) -->", source)
if not about:
    problems.append("it does not say how it was made")
elif about.group(1).replace("- -", "--") != command:
    problems.append(f"it is of '{about.group(1)}', and the list says '{command}'")
text = re.sub(r"\s+", " ", " ".join(tree.itertext()).replace("\u00a0", " "))
if not wanted:
    problems.append("nobody says what it has to show")
problems += [f"it does not show '{word}'"
             for word in wanted.split("|") if word not in text]
for problem in problems:
    print(f"FAIL: {name}: {problem}")
sys.exit(bool(problems))
PYTHON
	grep -qF "screens/$name.svg" "$root/README.md" "$root/examples/README.md" ||
		complain "no README shows $name.svg"
done <"$work/list"

for file in "$folder"/*.svg; do
	name=$(basename "$file" .svg)
	grep -q "^$name	" "$work/list" || complain "make.sh makes no $name.svg"
done
[ $failed = 0 ]
echo "ok: $(wc -l <"$work/list") pictures"
